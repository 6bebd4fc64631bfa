"""The line that requests wait in: bounded, fair to small ones, cut into batches."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

from ..catalog.listing import Listing
from ..core.errors import ShelfsureError
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.verdict import Verdict


class QueueFullError(ShelfsureError):
    """Too many listings wait already; come back after `retry_after_s`, whole seconds."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServiceClosedError(ShelfsureError):
    """The service is shutting down and takes nothing new."""


@dataclass(eq=False)
class Job:
    """Listings of one caller, judged a part at a time so that a large job lets others through.

    Cancelling its future takes it out of the line. `queued_at` is by `time.perf_counter`; one
    pipeline answers all of it, from its first part on. `watched` and `photo_problem` as for
    `Service.submit`.
    """

    listings: Sequence[Listing]
    duplicates: bool
    watched: bool
    photo_problem: str | None = None
    future: "Future[list[Verdict]]" = field(default_factory=Future)
    queued_at: float = field(default_factory=time.perf_counter)
    pipeline: ListingPipeline | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def n_left(self) -> int:
        return len(self.listings) - len(self.verdicts)

    def next(self, n: int) -> Sequence[Listing]:
        """Give the next `n` listings to judge."""
        return self.listings[len(self.verdicts) : len(self.verdicts) + n]

    def finish(self) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(self.verdicts)

    def fail(self, error: BaseException) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


Part: TypeAlias = tuple[Job, int]
"""A job, and how many of its next listings."""


class JobQueue:
    """Jobs from many threads, taken by one; it holds `max_listings`, or one larger job."""

    def __init__(self, max_listings: int) -> None:
        self.max_listings = max_listings
        self.closed = False
        self._jobs: deque[Job] = deque()
        self._n_expected = 0
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def n_waiting(self) -> int:
        """Listings in the line, those under way left out."""
        with self._changed:
            return sum(job.n_left for job in self._jobs if not job.future.cancelled())

    def put(self, job: Job, listing_s: float) -> None:
        """Put a job at the end; who doesn't fit is told when to come back, at `listing_s` each.

        Raises
        ------
        QueueFullError, ServiceClosedError
            If it doesn't fit, or nothing new is taken.
        """
        with self._changed:
            if self._error:
                raise self._error
            if self.closed:
                raise ServiceClosedError("The service is shutting down. Ask again in a moment.")
            waiting = self.n_waiting
            if waiting and waiting + job.n_left > self.max_listings:
                retry_s = min(60, 1 + int(waiting * listing_s))
                raise QueueFullError(
                    f"At most {self.max_listings} listings may wait, but {waiting} do. "
                    f"Ask again in {retry_s} s.",
                    retry_s,
                )
            self._jobs.append(job)
            self._changed.notify_all()

    def put_back(self, job: Job) -> None:
        """Let a job wait for its next part, behind the others."""
        with self._changed:
            self._jobs.append(job)

    def expect(self, n_answered: int) -> None:
        """Say that so many are about to be answered, who may ask again beside those who wait."""
        with self._changed:
            self._n_expected = len(self._jobs) + n_answered

    def wait(self, timeout_s: float, n_enough: int) -> bool:
        """Wait for jobs; False once all is done and the line is closed.

        At most `timeout_s` for as many as are expected, or for `n_enough` listings: those who were
        just answered ask again within milliseconds, and shall share a batch with those who wait,
        rather than take turns with them.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    len(self._jobs) >= self._n_expected
                    or sum(job.n_left for job in self._jobs) >= n_enough
                    or self.closed
                ),
                timeout=timeout_s,
            )
            self._n_expected = 0
            self._changed.wait_for(lambda: self._jobs or self.closed)
            return bool(self._jobs)

    def take(self, pipeline: ListingPipeline, n_most: int) -> list[Part]:
        """Take jobs in order that can be judged together, up to `n_most` listings, none cancelled.

        The pipeline is for those jobs whose first part this is.
        """
        parts: list[Part] = []
        others: deque[Job] = deque()
        with self._changed:
            while self._jobs and n_most:
                job = self._jobs.popleft()
                if job.future.cancelled():
                    continue
                own = job.pipeline or pipeline
                if parts and (
                    own is not parts[0][0].pipeline or job.duplicates != parts[0][0].duplicates
                ):
                    others.append(job)
                    continue
                job.pipeline = own
                n = min(n_most, job.n_left)
                parts.append((job, n))
                n_most -= n
            self._jobs.extendleft(reversed(others))
        return parts

    def close(self, error: BaseException | None = None) -> None:
        """Take nothing new; with an error, fail what waits."""
        with self._changed:
            self.closed, self._error = True, error
            while error and self._jobs:
                self._jobs.popleft().fail(error)
            self._changed.notify_all()
