"""What is known of a stream of verdicts as a whole: drift, and the promise by audits."""

import logging
import threading
from collections import deque
from collections.abc import Sequence

from ..catalog.listing import Listing
from ..core.errors import ShelfsureError
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.shift import OnShift, ShiftDetector, hold
from ..pipeline.verdict import Verdict
from .metrics import Metrics
from .review.audit import AuditedPromise, Auditor
from .rounds import Role

_LOG = logging.getLogger(__name__)
_N_PIPELINES = 4
"""Champion and challenger, and those that they have just replaced."""


class StreamWatch:
    """Watches the verdicts of each pipeline in use; any thread may come here.

    Parameters
    ----------
    on_shift, auditor
        As for `Service`.
    """

    def __init__(self, on_shift: OnShift, auditor: Auditor | None, metrics: Metrics) -> None:
        self.on_shift, self.auditor, self.metrics = on_shift, auditor, metrics
        self._detectors: deque[tuple[ListingPipeline, ShiftDetector]] = deque(maxlen=_N_PIPELINES)
        self._lock = threading.Lock()

    def watched(
        self,
        pipeline: ListingPipeline,
        listings: Sequence[Listing],
        verdicts: Sequence[Verdict],
        role: Role = "champion",
    ) -> list[Verdict]:
        """Go on with these: hold what is accepted after a drift, and have some of it audited."""
        if not verdicts:
            return []
        return self.audited(pipeline, listings, self._unshifted(pipeline, verdicts, role), role)

    def audited(
        self,
        pipeline: ListingPipeline,
        listings: Sequence[Listing],
        verdicts: list[Verdict],
        role: Role = "champion",
    ) -> list[Verdict]:
        """Have some accepted listings looked at; trouble with the queue stops no verdict."""
        if self.auditor is None:
            return verdicts
        accept = pipeline.config.accept
        try:
            audited = self.auditor.audit(listings, verdicts, accept)
            self.metrics.show_audits(self.auditor.promise(pipeline.version, accept), role)
        except ShelfsureError as error:
            _LOG.warning("no audits: %s", error)
            return verdicts
        return audited

    def held(self, pipeline: ListingPipeline, verdict: Verdict) -> Verdict:
        """Accept nothing once audits show a broken promise; what is tried out isn't audited."""
        promise = self.promise(pipeline)
        return hold([verdict], promise.shift, "review")[0] if promise else verdict

    def promise(self, pipeline: ListingPipeline) -> AuditedPromise | None:
        """Say what audits say of a pipeline; None without audits, or if they can't be read."""
        if self.auditor is None:
            return None
        try:
            return self.auditor.promise(pipeline.version, pipeline.config.accept)
        except ShelfsureError as error:
            _LOG.warning("no audits: %s", error)
            return None

    def _unshifted(
        self, pipeline: ListingPipeline, verdicts: Sequence[Verdict], role: Role
    ) -> list[Verdict]:
        """Look for a drift in the stream of listings."""
        if self.on_shift == "ignore":
            return list(verdicts)
        with self._lock:
            detector = self._detector(pipeline)
            before = detector.shift
            shift = detector.watch_verdicts(verdicts).shift
            if role == "champion":
                self.metrics.shift_p_value.set(detector.p_value)
            if shift and not before:
                _LOG.warning("after %d listings: %s", detector.n_watched, shift.what)
        return hold(verdicts, shift, self.on_shift)

    def _detector(self, pipeline: ListingPipeline) -> ShiftDetector:
        for known, detector in self._detectors:
            if known is pipeline:
                return detector
        self._detectors.append((pipeline, pipeline.shift_detector()))
        return self._detectors[-1][1]
