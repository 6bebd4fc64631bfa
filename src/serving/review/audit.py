"""Audits: some accepted listings are looked at all the same, to see whether the promise is kept."""

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...catalog.listing import Listing, category_levels, category_prefix
from ...core.config import AcceptConfig
from ...core.errors import ConfigError, ShelfsureError
from ...fusion.confidence_sequence import confidence_sequence
from ...pipeline.shift import hold
from ...pipeline.verdict import Shift, Verdict
from .records import Answer
from .store import ReviewStore

_LOG = logging.getLogger(__name__)
LOOK_S = 10.0
"""Answers are looked up again after so long."""


@dataclass(frozen=True)
class AuditedPromise:
    """What audits say of a bundle's accepted answers.

    Parameters
    ----------
    target
        The promised share of right answers.
    n, n_right
        Audited listings, and those whose category was confirmed.
    low, high
        Bounds of the share of right answers, each at every moment with `confidence`.
    """

    target: float
    confidence: float
    n: int
    n_right: int
    low: float
    high: float

    @property
    def broken(self) -> bool:
        """Whether fewer are right than was promised, beyond chance."""
        return self.high < self.target

    @property
    def shift(self) -> Shift | None:
        """Why nothing may be accepted any more; None as long as it may."""
        if not self.broken:
            return None
        return Shift(p_value=1 - self.confidence, what=f"{self.said} That breaks the promise.")

    @property
    def said(self) -> str:
        """The numbers in a sentence."""
        if not self.n:
            return f"No accepted listing was audited yet (promised: {self.target:.1%} are right)."
        return (
            f"Of {self.n:,} accepted listings that were audited {self.n_right:,} were right: "
            f"{self.low:.1%} to {self.high:.1%} of such are, and {self.target:.1%} were promised."
        )


def audited_promise(store: ReviewStore, version: str, accept: AcceptConfig) -> AuditedPromise:
    """Bound the accepted precision of a bundle by the answers to its audits.

    "Can't tell" and "skip" say nothing. An answer that names a deeper category than the verdict
    confirms it.

    Parameters
    ----------
    version
        Of the bundle; audits of others don't count.
    accept
        What it promises, and how sure the bounds are to be.

    Raises
    ------
    ReviewError
        If the store can't be read.
    """
    answers = [each for each in store.audits(version) if each.kind in {"category", "not_sold"}]
    right = np.array([_confirms(each) for each in answers], dtype=bool)
    low, high = confidence_sequence(right, accept.confidence)
    n_right = int(right.sum())
    return AuditedPromise(
        accept.target_precision, accept.confidence, len(right), n_right, low, high
    )


@dataclass
class Auditor:
    """Draws accepted listings into the review queue, and stops accepting where audits say so.

    Parameters
    ----------
    share
        Of accepted listings, above 0, up to 1. Whether one is drawn depends on what it is: asking
        again draws the same.
    """

    store: ReviewStore
    share: float
    _promises: dict[str, tuple[float, AuditedPromise]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(
                f"The audited share must be above 0% and at most 100%, got {self.share:.3g}."
            )

    def audit(
        self, listings: Sequence[Listing], verdicts: Sequence[Verdict], accept: AcceptConfig
    ) -> list[Verdict]:
        """Hold what is accepted if the promise is broken; else mark and queue some of it.

        A listing that can't be queued (the queue is full) isn't audited, and the log says so.

        Parameters
        ----------
        accept
            What the bundle promises.
        """
        version = next((v.model_version for v in verdicts if v.model_version), "")
        promise = self.promise(version, accept)
        if promise.shift:
            return hold(verdicts, promise.shift, "review")
        return [
            self._queued(listing, verdict) if self._draws(listing, verdict) else verdict
            for listing, verdict in zip(listings, verdicts, strict=True)
        ]

    def promise(self, version: str, accept: AcceptConfig) -> AuditedPromise:
        """Look the answers up, if they weren't for `LOOK_S`; see `audited_promise`."""
        with self._lock:
            looked_at, promise = self._promises.get(version, (-LOOK_S, None))
            if promise is None or time.monotonic() >= looked_at + LOOK_S:
                promise = audited_promise(self.store, version, accept)
                self._promises[version] = time.monotonic(), promise
            return promise

    def _draws(self, listing: Listing, verdict: Verdict) -> bool:
        if verdict.decision != "accept":
            return False
        said = "\n".join((verdict.model_version, listing.listing_id, listing.title or ""))
        digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") < self.share * 2**64

    def _queued(self, listing: Listing, verdict: Verdict) -> Verdict:
        marked = verdict.model_copy(update={"audit": True})
        try:
            self.store.add(listing, marked)
        except ShelfsureError as error:
            _LOG.warning("not audited: %s", error)
            return verdict
        return marked


def _confirms(answer: Answer) -> bool:
    told = answer.verdict.category or ""
    depth = len(category_levels(told))
    return answer.kind == "category" and category_prefix(answer.category or "", depth) == told
