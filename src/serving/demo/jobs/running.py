"""Jobs under way, each in a thread of its own, and any number of pages that follow one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ....core.errors import CatalogError
from ...job_queue import ServiceClosedError
from ..html import notice
from ..inputs import explained
from .folder import JobFolder, JobStore

THREAD = "shelfsure-job"
MAX_STARTS = 5
"""Starts of one job: if the server ended in the midst of each, one more would end it again."""
MAX_WAITING = 16
"""Jobs of a kind that may be under way or wait for their turn."""
_POLL_S = 0.2
STOPPED = notice("Stopped before the end: there is no result.")
ELSEWHERE = notice("Another process works on this job. Reload the page in a moment.")
TOO_OFTEN = notice(
    f"This job was begun {MAX_STARTS} times, and each time the server ended before the job did. So "
    "it isn't begun again. Give it less at once.",
    kind="error",
)
ENDING = notice("The server ends. This job goes on when its page is opened after the restart.")

Work: TypeAlias = Callable[[JobFolder, threading.Event], Iterator[Any]]
"""Does a job, yields how far it is, and keeps its result; stops soon once the event is set."""


class RunningJob:
    """One job under way.

    `latest` is what its work has said last; None before. `resumed`: an end of the server has
    interrupted it before. `failure` is HTML that says why there is no result.
    """

    def __init__(self, job: JobFolder, *, resumed: bool = False) -> None:
        self.job = job
        self.resumed = resumed
        self.latest: Any = None
        self.failure = ""
        self.ended = False
        self._cancelled = threading.Event()
        self._n_said = 0

    async def follow(self) -> AsyncIterator[Any]:
        """Give what is said from now on, the latest first, until the end; no thread is held."""
        seen = -1
        while not self.ended:
            if seen != self._n_said:
                seen = self._n_said
                yield self.latest
            await asyncio.sleep(_POLL_S)

    def cancel(self) -> None:
        """Stop soon."""
        self._cancelled.set()

    def run(self, work: Work, turn: threading.Semaphore, closing: Callable[[], bool]) -> None:
        """Do the work when it is this job's turn; an end of the server leaves it to be resumed."""
        try:
            with self.job.working() as idle:
                if not idle:
                    self.failure = ELSEWHERE
                elif self.job.n_starts >= MAX_STARTS:
                    self._refuse(TOO_OFTEN)
                elif self.job.result is None and self._wait(turn, closing):
                    try:
                        self._work(work, closing)
                    finally:
                        turn.release()
        except Exception as error:  # noqa: BLE001 (the page says it, and the log has the rest)
            self.failure = notice(explained(error), kind="error")
        finally:
            self.ended = True

    def _wait(self, turn: threading.Semaphore, closing: Callable[[], bool]) -> bool:
        """Wait for a turn; False if the job is cancelled, or the server ends, before it comes."""
        while not turn.acquire(timeout=_POLL_S):
            if closing():
                self.failure = ENDING
                return False
            if self._cancelled.is_set():
                self._refuse(STOPPED)
                return False
        return True

    def _work(self, work: Work, closing: Callable[[], bool]) -> None:
        self.job.count_start(1)
        try:
            for said in work(self.job, self._cancelled):
                self.latest = said
                self._n_said += 1
                if closing():
                    break
            if not closing() and self.job.result is None:
                self._refuse(STOPPED)
        except ServiceClosedError:
            self.failure = ENDING
        except Exception as error:  # noqa: BLE001 (as above)
            self._refuse(notice(explained(error), kind="error"))
        if self.job.result is None:  # in good order, so that it may be begun once more
            self.failure = ENDING
            self.job.count_start(-1)

    def _refuse(self, html: str) -> None:
        """Keep why there is no result."""
        self.failure = html
        with self.job.finishing({"status": html}):
            pass


class Jobs:
    """All jobs of a server: those under way, and those on disk."""

    def __init__(self, store: JobStore, closing: Callable[[], bool]) -> None:
        self.store, self._closing = store, closing
        self._kinds: dict[str, tuple[Work, threading.Semaphore]] = {}
        self._running: dict[str, tuple[str, RunningJob]] = {}
        self._lock = threading.Lock()

    def register(self, kind: str, work: Work, n_at_once: int) -> None:
        """Say how jobs of a kind are done, and how many of them at once."""
        self._kinds[kind] = work, threading.Semaphore(n_at_once)

    def begin(
        self, kind: str, asked: Mapping[str, Any], files: Mapping[str, str | Path | None]
    ) -> RunningJob:
        """Begin a job; see `JobStore.new`.

        Raises
        ------
        CatalogError
            If too many wait already.
        OutputError
            If it can't be kept.
        """
        with self._lock:
            n = sum(own == kind for own, _ in self._alive().values())
        if n >= MAX_WAITING:
            raise CatalogError(f"At most {MAX_WAITING} jobs may wait, but {n} do. Try again later.")
        job = self.store.new({"kind": kind, **asked}, files)
        with self._lock:
            return self._start(kind, job)

    def find(self, kind: str, job_id: str) -> RunningJob | JobFolder | None:
        """Find a job under way, or one with a result; one that was interrupted is resumed."""
        with self._lock:
            job = self.store.find(kind, job_id)
            if job is not None and job_id in self._alive():
                return self._running[job_id][1]
            if job is None or job.result:
                return job
            return self._start(kind, job, resumed=True)

    def _start(self, kind: str, job: JobFolder, *, resumed: bool = False) -> RunningJob:
        work, turn = self._kinds[kind]
        running = RunningJob(job, resumed=resumed)
        self._running[job.job_id] = kind, running
        arguments = (work, turn, self._closing)
        threading.Thread(target=running.run, args=arguments, name=THREAD, daemon=True).start()
        return running

    def _alive(self) -> dict[str, tuple[str, RunningJob]]:
        self._running = {key: one for key, one in self._running.items() if not one[1].ended}
        return self._running
