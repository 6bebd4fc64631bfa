"""What is judged behind the answers: later, a little at a time, and not at all under load.

Nobody waits for it. It begins once no request was there for `QUIET_S`; while there are some, it
takes `BUSY_FRACTION` of the time at most, `BATCH` listings at once.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..catalog.listing import Listing
from ..monitoring.log_rows import Link
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.verdict import Verdict

BATCH = 4
MAX_WAITING, MAX_BYTES = 256, 64_000_000
"""Listings, and bytes of their photos, that may wait; beyond, new ones are dropped."""
QUIET_S = 0.05
BUSY_FRACTION = 0.1
MAX_CREDIT_S = 1.0
FINISH_S = 5.0
"""For what waits once the service closes; the rest is dropped."""
_LOOK_S = 0.01


@dataclass(frozen=True)
class ShadowTask:
    """A listing that was answered, for `pipeline`, the other model, to judge.

    Parameters
    ----------
    answer, answered_at
        What was answered, and when.
    link
        Of the verdict to come.
    """

    listing: Listing
    answer: Verdict
    answered_at: datetime
    pipeline: ListingPipeline
    link: Link
    duplicates: bool

    @property
    def n_bytes(self) -> int:
        photos = (self.listing.image, *self.listing.more_images)
        return sum(len(photo) for photo in photos if isinstance(photo, bytes))


class Shadow:
    """A bounded line of tasks, and the thread that judges them.

    Parameters
    ----------
    judge
        Judges tasks for one pipeline, and raises nothing.
    quiet
        Whether no request is there, and none was for `QUIET_S`.
    drop
        Called with the number of tasks that are dropped.
    """

    def __init__(
        self,
        judge: Callable[[Sequence[ShadowTask]], None],
        quiet: Callable[[], bool],
        drop: Callable[[int], None],
    ) -> None:
        self._judge, self._quiet, self._drop = judge, quiet, drop
        self._waiting: deque[ShadowTask] = deque()
        self._n_bytes = 0
        self._closed_at: float | None = None
        self._changed = threading.Condition()
        self._credit_s, self._counted_at = 0.0, time.perf_counter()
        self._thread = threading.Thread(target=self._work, name="shelfsure-shadow", daemon=True)
        self._thread.start()

    def put(self, tasks: Sequence[ShadowTask]) -> None:
        """Take tasks that fit, and drop the others; returns at once."""
        n_dropped = 0
        with self._changed:
            for task in tasks:
                full = len(self._waiting) >= MAX_WAITING
                if full or self._n_bytes + task.n_bytes > MAX_BYTES or self._closed_at:
                    n_dropped += 1
                    continue
                self._waiting.append(task)
                self._n_bytes += task.n_bytes
            self._changed.notify()
        if n_dropped:
            self._drop(n_dropped)

    def close(self) -> None:
        """Judge what waits within `FINISH_S`, drop the rest, and end."""
        with self._changed:
            self._closed_at = time.perf_counter()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while self._wait_for_turn():
            tasks = self._take()
            busy, start = not self._quiet(), time.perf_counter()
            self._judge(tasks)
            if busy:
                self._credit_s -= time.perf_counter() - start
        if self._waiting:
            self._drop(len(self._waiting))

    def _wait_for_turn(self) -> bool:
        """Wait until something may be judged; False once it is time to end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed_at)
                if self._closed_at:
                    late = time.perf_counter() > self._closed_at + FINISH_S
                    return bool(self._waiting) and not late
            if self._credited_s() > 0 or self._quiet():
                return True
            with self._changed:
                self._changed.wait_for(lambda: self._closed_at, timeout=_LOOK_S)

    def _credited_s(self) -> float:
        """Give what may be spent of busy time: a share of the time that goes by."""
        now = time.perf_counter()
        earned = BUSY_FRACTION * (now - self._counted_at)
        self._credit_s, self._counted_at = min(MAX_CREDIT_S, self._credit_s + earned), now
        return self._credit_s

    def _take(self) -> list[ShadowTask]:
        """Take the first few that can be judged together."""
        with self._changed:
            first = self._waiting[0]
            tasks: list[ShadowTask] = []
            while self._waiting and len(tasks) < BATCH:
                task = self._waiting[0]
                same = task.pipeline is first.pipeline and task.duplicates == first.duplicates
                if not same:
                    break
                tasks.append(self._waiting.popleft())
                self._n_bytes -= task.n_bytes
        return tasks
