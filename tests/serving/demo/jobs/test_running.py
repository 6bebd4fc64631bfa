import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shelfsure.core.errors import CatalogError
from shelfsure.serving.demo.inputs import NO_ANSWER
from shelfsure.serving.demo.jobs.folder import JobFolder, JobStore
from shelfsure.serving.demo.jobs.running import (
    ELSEWHERE,
    ENDING,
    MAX_STARTS,
    MAX_WAITING,
    STOPPED,
    TOO_OFTEN,
    Jobs,
    RunningJob,
)
from shelfsure.serving.service import ServiceClosedError


def counts(job: JobFolder, cancelled: threading.Event) -> Iterator[int]:
    """Count to three, from where an earlier attempt has come to."""
    place = job.folder("cache") / "n"
    first = int(place.read_text()) if place.exists() else 0
    for n in range(first, 3):
        if cancelled.is_set():
            return
        place.write_text(str(n + 1))
        yield n + 1
    with job.finishing({"status": "counted", "first": first}):
        pass


def waits(job: JobFolder, cancelled: threading.Event) -> Iterator[int]:
    """Say so until it is cancelled."""
    while not cancelled.wait(0.01):
        yield len(job.asked)


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs")


@pytest.fixture
def make(store: JobStore) -> Iterator[Callable[..., Jobs]]:
    """Make a server's jobs; their threads have ended with the test."""
    made: list[RunningJob] = []
    ending = threading.Event()

    def make(work: Any, n_at_once: int = 1, closing: Any = ending.is_set) -> Jobs:
        jobs = Jobs(store, closing)
        jobs.register("count", work, n_at_once)
        begin = jobs.begin

        def noted(*given: Any) -> RunningJob:
            made.append(begin(*given))
            return made[-1]

        jobs.begin = noted  # type: ignore[method-assign]
        return jobs

    yield make
    ending.set()
    for one in made:
        one.cancel()
        ended(one)


def eventually(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.005)


def ended(running: RunningJob) -> RunningJob:
    eventually(lambda: running.ended)
    return running


def found(jobs: Jobs, running: RunningJob) -> Any:
    return jobs.find("count", running.job.job_id)


def test_a_job_is_found_again_with_its_result(make: Callable[..., Jobs]) -> None:
    jobs = make(counts)
    running = ended(jobs.begin("count", {"to": 3}, {}))
    assert not running.failure
    for server in (jobs, make(counts)):
        job = found(server, running)
        assert isinstance(job, JobFolder)
        assert job.shown() == {"status": "counted", "first": 0}
    assert jobs.find("batch", running.job.job_id) is None
    assert jobs.find("count", "0" * 32) is None


def test_any_number_of_pages_follow_one_job(make: Callable[..., Jobs]) -> None:
    jobs = make(waits)
    running = jobs.begin("count", {"to": 3}, {})
    assert found(jobs, running) is running

    async def follow() -> list[int]:
        said = [each async for each in running.follow()]
        return [each for each in said if each is not None]

    async def both() -> list[list[int]]:
        asyncio.get_running_loop().call_later(0.5, running.cancel)
        return await asyncio.gather(follow(), follow())

    one, other = asyncio.run(both())
    assert one
    assert other
    assert {*one, *other} == {2}


def test_a_cancelled_job_says_so_and_is_not_resumed(make: Callable[..., Jobs]) -> None:
    jobs = make(waits)
    first, second = jobs.begin("count", {}, {}), jobs.begin("count", {}, {})
    eventually(lambda: first.latest)
    assert second.latest is None, "one at once"
    for running in (second, first):
        running.cancel()
        assert ended(running).failure == STOPPED
        assert found(jobs, running).shown() == {"status": STOPPED}


@pytest.mark.parametrize(
    ("error", "said"),
    [(CatalogError("no column <b>title</b>"), "no column &lt;b&gt;"), (OSError("/x"), NO_ANSWER)],
)
def test_a_failed_job_keeps_why(make: Callable[..., Jobs], error: Exception, said: str) -> None:
    def fails(job: JobFolder, cancelled: threading.Event) -> Iterator[int]:
        yield 1
        raise error

    jobs = make(fails)
    running = ended(jobs.begin("count", {}, {}))
    assert said in running.failure.replace("&#39;", "'")
    assert found(jobs, running).shown() == {"status": running.failure}


@pytest.mark.parametrize("closed", [True, False])
def test_an_end_of_the_server_leaves_a_job_to_be_resumed(
    make: Callable[..., Jobs], closed: bool
) -> None:
    ending = threading.Event()

    def ends(job: JobFolder, cancelled: threading.Event) -> Iterator[int]:
        steps = counts(job, cancelled)
        yield next(steps)
        ending.set()
        if closed:
            raise ServiceClosedError("over")
        yield from steps

    running = ended(make(ends, closing=ending.is_set).begin("count", {}, {}))
    assert running.failure == ENDING
    assert running.job.result is None
    assert running.job.n_starts == 0, "in good order"
    jobs = make(counts)
    again = found(jobs, running)
    assert isinstance(again, RunningJob)
    assert again.resumed
    ended(again)
    assert found(jobs, running).shown()["first"] >= 1


KILLED = """
import sys
from pathlib import Path
from shelfsure.serving.demo.jobs.folder import JobStore
from shelfsure.serving.demo.jobs.running import Jobs
import time

def work(job, cancelled):
    (job.folder("cache") / "n").write_text("2")
    yield 2
    print(job.job_id, flush=True)
    time.sleep(600)
    yield 3

jobs = Jobs(JobStore(Path(sys.argv[1])), lambda: False)
jobs.register("count", work, 1)
jobs.begin("count", {}, {})
time.sleep(600)
"""


@pytest.mark.slow
def test_a_job_of_a_killed_server_goes_on_where_it_was(
    make: Callable[..., Jobs], store: JobStore, start_process: Callable[..., Any]
) -> None:
    process = start_process(KILLED, store.root)
    job_id = process.output.readline().strip()
    jobs = make(counts)
    elsewhere = jobs.find("count", job_id)
    assert isinstance(elsewhere, RunningJob)
    assert ended(elsewhere).failure == ELSEWHERE, "it is still worked on"
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = jobs.find("count", job_id)
    assert isinstance(again, RunningJob)
    ended(again)
    job = jobs.find("count", job_id)
    assert isinstance(job, JobFolder)
    assert job.shown() == {"status": "counted", "first": 2}


def test_a_job_that_ends_its_server_again_and_again_is_not_begun_for_ever(
    make: Callable[..., Jobs], store: JobStore
) -> None:
    job = store.new({"kind": "count"}, {})
    job.count_start(MAX_STARTS)
    again = make(counts).find("count", job.job_id)
    assert isinstance(again, RunningJob)
    assert ended(again).failure == TOO_OFTEN
    assert job.shown() == {"status": TOO_OFTEN}


def test_so_many_jobs_wait_and_no_more(make: Callable[..., Jobs]) -> None:
    jobs = make(waits)
    for _ in range(MAX_WAITING):
        jobs.begin("count", {}, {})
    with pytest.raises(CatalogError, match=f"At most {MAX_WAITING} jobs may wait"):
        jobs.begin("count", {}, {})
