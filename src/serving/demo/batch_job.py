"""A file of listings, judged a part at a time: progress, cancelling, and nobody else starved."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...catalog.catalog import Catalog
from ...catalog.listing import Listing
from ...core.errors import ConfigError, ShelfsureError
from ...pipeline.batch import judge
from ...pipeline.verdict import Verdict
from ...pipeline.verdict_file import JudgedRow
from ...pipeline.verdict_parts import VerdictParts
from ..review.store import ReviewStore
from ..service import QueueFullError, Service
from .uploads.uploads import Upload

_LOG = logging.getLogger(__name__)
CHUNK = 32
BY_TITLE = (
    "{n:,} listings name a photo, but no photos were given: they are judged by their titles alone. "
    "Add the photos as a zip."
)
_POLL_S = 0.1


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Of all rows, `n_done` have a verdict: rejected ones had theirs from the start, others from
    before an interruption; `n_judged` got it from the model since.
    """

    n_done: int
    n_rows: int
    n_judged: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Listings a second; 0 before the first answer."""
        return self.n_judged / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at this rate; None before the first answer."""
        return (self.n_rows - self.n_done) / self.rate if self.rate else None


class BatchJob:
    """Verdicts for every row of an upload, as `shelfsure predict` gives them for the same file.

    So what is there is looked at together for a drift, from the first row to the last one judged:
    a verdict may still change as long as the job runs.

    Parameters
    ----------
    duplicates
        As for `ListingPipeline.predict`.
    chunk
        Listings asked for at once; a cancelled job asks for no more.
    keep
        A file beside which verdicts are kept as they come, for a job of the same upload that goes
        on after an interruption; None keeps none.
    cancelled
        Stops the job, as `cancel` does.
    """

    def __init__(
        self,
        service: Service,
        upload: Upload,
        *,
        duplicates: bool = True,
        chunk: int = CHUNK,
        keep: Path | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self.service = service
        self.upload = upload
        self.duplicates = duplicates
        self.chunk = chunk
        self._pipeline = service.pipeline
        self._said: list[Verdict] = []
        self._together: list[Verdict] = []
        self._n_before = 0
        self._cancelled = cancelled or threading.Event()
        run = {"bundle": self._pipeline.version, "duplicates": duplicates, "chunk": chunk}
        self._parts = VerdictParts(keep, run) if keep else None
        rejected = Catalog((), (), upload.catalog.rejected)
        self._rejected = judge(self._pipeline, rejected)

    @property
    def rows(self) -> list[tuple[int, Verdict]]:
        """Data row (from 1) and verdict, in the file's order, as far as there is one."""
        judged = zip(self.upload.catalog.rows, self._together, strict=False)
        return sorted([*self._rejected, *judged], key=lambda pair: pair[0])

    @property
    def judged(self) -> list[tuple[Listing, Verdict]]:
        """The listings that the model has judged, and their verdicts."""
        return list(zip(self.upload.catalog.listings, self._together, strict=False))

    @property
    def warnings(self) -> list[str]:
        """Say what has drifted, that audits show a broken promise, that photos are missing."""
        shift = next((verdict.shift for verdict in self._together if verdict.shift), None)
        held = all(verdict.decision != "accept" for verdict in self._together)
        said = [shift.warning(held=held)] if shift else []
        n_by_title = len(self.upload.catalog.photo_problems)
        return [*said, BY_TITLE.format(n=n_by_title)] if n_by_title else said

    def usable_photos(self) -> list[Path]:
        """List the photos of rows that weren't rejected: those that may be looked at."""
        bad = {row for row, verdict in self.rows if verdict.decision == "rejected"}
        photos = [listing.image for row, listing in self.listings.items() if row not in bad]
        return [photo for photo in photos if isinstance(photo, Path)]

    @property
    def listings(self) -> dict[int, Listing]:
        """Map data rows to listings; a row that couldn't be read has none."""
        catalog = self.upload.catalog
        return dict(zip(catalog.rows, catalog.listings, strict=True))

    @property
    def partial(self) -> bool:
        """Whether rows lack their verdict."""
        return len(self._said) < len(self.upload.catalog.listings)

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop as soon as possible, from any thread; verdicts that are there stay."""
        self._cancelled.set()

    def all_rejected(self) -> Catalog:
        """Give the catalogue with every row set aside that was rejected, in reading or judging."""
        reasons = {
            row: " ".join(verdict.reasons)
            for row, verdict in zip(self.upload.catalog.rows, self._said, strict=False)
            if verdict.decision == "rejected"
        }
        return self.upload.catalog.reject(reasons)

    def run(self) -> Iterator[Progress]:
        """Judge, and tell after each part how far it is; the end may be early if cancelled.

        A ShelfsureError, if the service can't answer; what it answered before stays in `rows`.
        """
        start = time.monotonic()
        catalog = self.upload.catalog
        try:
            with self._kept():
                yield self._progress(start)
                for first in range(len(self._said), len(catalog.listings), self.chunk):
                    part = slice(first, first + self.chunk)
                    verdicts = self._judge(catalog.listings[part])
                    if verdicts is None:
                        break
                    presentable = [self._presentable(verdict) for verdict in verdicts]
                    self._keep(first, presentable)
                    self._said += presentable
                    self._together = self._pipeline.as_batch(self._said, self.service.on_shift)
                    yield self._progress(start)
        finally:  # what is kept of a job that failed is held or audited like any other
            listings = catalog.listings[: len(self._together)]
            self._together = self.service.audited(self._pipeline, listings, self._together)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Take up the verdicts of before, as far as they are of this model, and keep more."""
        with ExitStack() as opened:
            if self._parts is not None:
                try:
                    opened.enter_context(self._parts.opened(resume=True))
                except ConfigError as error:  # another model has begun
                    _LOG.info("a batch begins anew: %s", error)
                    self._parts.remove()
                    opened.enter_context(self._parts.opened(resume=False))
                self._take_up(self._parts)
            yield

    def _take_up(self, parts: VerdictParts) -> None:
        catalog = self.upload.catalog
        there = parts.there()
        n_whole = next((n for n, part in enumerate(there) if n != part), len(there))
        before = list(parts.read(n_whole))
        if before and tuple(row.row for row in before) == catalog.rows[: len(before)]:
            self._said = [row.verdict for row in before]
            self._n_before = len(before)
            self._together = self._pipeline.as_batch(self._said, self.service.on_shift)

    def _keep(self, first: int, verdicts: Sequence[Verdict]) -> None:
        if self._parts is not None:
            rows = zip(self.upload.catalog.rows[first:], verdicts, strict=False)
            judged = [JudgedRow(row=row, verdict=verdict) for row, verdict in rows]
            self._parts.write(first // self.chunk, judged)

    def _judge(self, listings: Sequence[Listing]) -> list[Verdict] | None:
        """Wait for a part's verdicts; None if the job is cancelled before they are there."""
        future = self._submit(listings)
        while future is not None:
            try:
                return future.result(timeout=_POLL_S)
            except TimeoutError:
                if future.done():
                    raise
            if self.cancelled and future.cancel():
                return None
        return None

    def _submit(self, listings: Sequence[Listing]) -> "Future[list[Verdict]] | None":
        while not self.cancelled:
            try:
                return self.service.submit(listings, duplicates=self.duplicates, watched=False)
            except QueueFullError as error:  # others are first: come back when told to
                self._cancelled.wait(error.retry_after_s)
        return None

    def _presentable(self, verdict: Verdict) -> Verdict:
        if verdict.decision != "rejected":
            return verdict
        reasons = tuple(self.upload.without_root(reason) for reason in verdict.reasons)
        return verdict.model_copy(update={"reasons": reasons})

    def _progress(self, start: float) -> Progress:
        return Progress(
            n_done=len(self._rejected) + len(self._said),
            n_rows=self.upload.catalog.n_rows,
            n_judged=len(self._said) - self._n_before,
            elapsed_s=time.monotonic() - start,
        )


def queue_for_review(reviews: ReviewStore, judged: Sequence[tuple[Listing, Verdict]]) -> str:
    """Put what needs a look into the review queue; give a warning if some of it doesn't fit."""
    trouble = ""
    for listing, verdict in judged:
        if verdict.decision == "review":
            try:
                reviews.add(listing, verdict)
            except ShelfsureError as error:  # the verdicts are worth more than the queue
                _LOG.warning("a listing didn't get into the review queue: %s", error)
                trouble = "Not everything that needs a look fitted into the review queue."
    return trouble
