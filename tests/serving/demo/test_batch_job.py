import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.batch import judge, write_verdicts
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.demo.batch_job import BatchJob, Progress
from shelfsure.serving.demo.uploads.uploads import Upload
from shelfsure.serving.review.audit import Auditor
from shelfsure.serving.review.store import ReviewStore
from shelfsure.serving.service import QueueFullError, Service


@pytest.fixture(scope="module")
def pipeline(tiny_trained: ListingPipeline) -> ListingPipeline:
    return replace(tiny_trained, retrieval=None, version="abc")


@pytest.fixture(scope="module")
def service(pipeline: ListingPipeline) -> Iterator[Service]:
    with Service(lambda: pipeline) as running:
        yield running


@pytest.fixture(scope="module")
def upload(tiny_folder: Path) -> Upload:
    return Upload(read_catalog(tiny_folder / "catalogue.csv"), tiny_folder.resolve())


def test_run_writes_what_predict_writes(
    service: Service, pipeline: ListingPipeline, upload: Upload, tmp_path: Path
) -> None:
    job = BatchJob(service, upload, chunk=7)
    assert len(list(job.run())) == 1 + -(-len(upload.catalog.listings) // 7)
    write_verdicts(tmp_path / "ours.jsonl", job.rows)
    write_verdicts(tmp_path / "predict.jsonl", judge(pipeline, upload.catalog))
    said = (tmp_path / "predict.jsonl").read_text().replace(f"{upload.root}/", "")
    ours = (tmp_path / "ours.jsonl").read_text()
    assert _rounded(ours) == _rounded(said)
    assert ours.count("\n") == upload.catalog.n_rows == 64
    assert not job.partial


def test_run_holds_what_predict_holds_from_the_first_row_on(
    drifting: ListingPipeline, upload: Upload, tmp_path: Path
) -> None:
    with Service(lambda: drifting, on_shift="review") as service:
        job = BatchJob(service, upload, chunk=20)
        steps = job.run()
        assert [next(steps).n_judged for _ in range(2)] == [0, 20]
        assert job.warnings == []
        early = [row for row, verdict in job.rows if verdict.decision == "accept"]
        assert len(early) > 5
        list(steps)
        assert service.metrics.shift_p_value._value.get() == 1  # it is the job that looks
    write_verdicts(tmp_path / "ours.jsonl", job.rows, upload.catalog)
    write_verdicts(tmp_path / "predict.jsonl", judge(drifting, upload.catalog), upload.catalog)
    said = (tmp_path / "predict.jsonl").read_text().replace(f"{upload.root}/", "")
    assert _rounded((tmp_path / "ours.jsonl").read_text()) == _rounded(said)
    held = dict(job.rows)
    assert {held[row].decision for row in early} == {"review"}
    shift = held[1].shift
    assert shift
    assert job.warnings == [shift.warning(held=True)]


def test_run_audits_what_is_accepted_in_the_end(
    drifting: ListingPipeline, pipeline: ListingPipeline, upload: Upload, tmp_path: Path
) -> None:
    for audited in (pipeline, drifting):
        auditor = Auditor(ReviewStore(tmp_path / audited.__class__.__name__), 1.0)
        with Service(lambda p=audited: p, on_shift="review", auditor=auditor) as service:
            job = BatchJob(service, upload)
            list(job.run())
        accepted = [verdict for _, verdict in job.judged if verdict.decision == "accept"]
        assert all(verdict.audit for verdict in accepted)
        assert len(auditor.store.pending(100)) == len(accepted)
        assert bool(accepted) == (audited is pipeline)


@pytest.mark.parametrize(("on_shift", "said"), [("warn", "doesn't hold for them"), ("ignore", "")])
def test_run_does_of_a_drift_what_the_server_was_told(
    drifting: ListingPipeline, upload: Upload, on_shift: OnShift, said: str
) -> None:
    with Service(lambda: drifting, on_shift=on_shift) as service:
        job = BatchJob(service, upload)
        list(job.run())
    assert said in " ".join(job.warnings)
    assert bool(job.warnings) == bool(said)
    assert [v.decision for _, v in job.rows].count("accept") > 20


def _rounded(lines: str) -> list[object]:
    def rounded(value: object) -> object:
        if isinstance(value, float):
            return round(value, 5)
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        return [rounded(item) for item in value] if isinstance(value, list) else value

    return [rounded(json.loads(line)) for line in lines.splitlines()]


def test_run_tells_progress_and_each_verdict_once(service: Service, upload: Upload) -> None:
    job = BatchJob(service, upload, chunk=20)
    steps = list(job.run())
    n = len(upload.catalog.listings)
    assert [step.n_judged for step in steps] == [0, 20, 40, 60, n]
    assert [step.n_done for step in steps] == [64 - n + step.n_judged for step in steps]
    assert [listing for listing, _ in job.judged] == list(upload.catalog.listings)
    assert all(listing.listing_id == verdict.listing_id for listing, verdict in job.judged)


def test_progress_forecasts_the_rest() -> None:
    half = Progress(n_done=60, n_rows=100, n_judged=50, elapsed_s=25.0)
    assert half.rate == 2.0
    assert half.left_s == 20.0
    assert Progress(10, 100, 0, 3.0).left_s is None


def test_all_rejected_gathers_reading_and_judging(service: Service, upload: Upload) -> None:
    job = BatchJob(service, upload)
    assert [bad.row for bad in job.all_rejected().rejected] == [10]
    list(job.run())
    rejected = job.all_rejected().rejected
    assert [bad.row for bad in rejected] == [6, 10]
    assert rejected[0].reason.startswith("photos/bad.png:")
    assert str(upload.root) not in rejected[0].reason


class Slow:
    """A service that answers only when told to; remembers what it was asked."""

    on_shift = "review"

    def __init__(self, pipeline: ListingPipeline) -> None:
        self.pipeline = pipeline
        self.asked: list[Sequence[Listing]] = []
        self.futures: list[Future[list[Verdict]]] = []
        self.refuse = 0
        self.n_audited = 0

    def submit(
        self, listings: Sequence[Listing], *, duplicates: bool = True, watched: bool = True
    ) -> "Future[list[Verdict]]":
        assert duplicates
        assert not watched
        if self.refuse:
            self.refuse -= 1
            raise QueueFullError("full", 0)
        self.asked.append(listings)
        self.futures.append(Future())
        return self.futures[-1]

    def audited(self, *given: Any) -> Any:
        self.n_audited = len(given[-1])
        return given[-1]

    def answer(self, place: int = -1) -> None:
        self.futures[place].set_result(
            [Verdict(listing_id=item.listing_id, decision="accept") for item in self.asked[place]]
        )


def _eventually(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.005)


def test_cancel_stops_within_a_chunk_and_keeps_what_is_done(
    pipeline: ListingPipeline, upload: Upload
) -> None:
    slow = Slow(pipeline)
    job = BatchJob(slow, upload, chunk=10)  # type: ignore[arg-type]
    steps: list[Progress] = []
    worker = threading.Thread(target=lambda: steps.extend(job.run()))
    worker.start()
    _eventually(lambda: slow.asked)
    slow.answer(0)
    _eventually(lambda: len(slow.asked) == 2)
    job.cancel()
    worker.join(timeout=5)
    assert not worker.is_alive()
    assert slow.futures[1].cancelled()
    assert len(slow.asked) == 2
    assert steps[-1].n_judged == 10
    assert job.partial
    assert [row for row, _ in job.rows] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_run_asks_for_one_chunk_at_a_time(pipeline: ListingPipeline, upload: Upload) -> None:
    slow = Slow(pipeline)
    steps = BatchJob(slow, upload, chunk=32).run()  # type: ignore[arg-type]
    next(steps)
    assert slow.asked == []
    threading.Timer(0.1, slow.answer).start()
    next(steps)
    assert [len(part) for part in slow.asked] == [32]
    steps.close()  # the visitor has gone
    assert len(slow.asked) == 1


def test_run_waits_where_the_queue_is_full(pipeline: ListingPipeline, upload: Upload) -> None:
    slow = Slow(pipeline)
    slow.refuse = 3
    job = BatchJob(slow, upload, chunk=100)  # type: ignore[arg-type]
    steps = job.run()
    next(steps)
    threading.Timer(0.1, slow.answer).start()
    assert next(steps).n_judged == len(upload.catalog.listings)
    assert slow.refuse == 0


def test_run_keeps_what_was_judged_before_a_failure(
    pipeline: ListingPipeline, upload: Upload
) -> None:
    slow = Slow(pipeline)
    job = BatchJob(slow, upload, chunk=10)  # type: ignore[arg-type]
    steps = job.run()
    next(steps)
    threading.Timer(0.05, slow.answer).start()
    next(steps)
    threading.Timer(0.05, lambda: slow.futures[1].set_exception(TimeoutError("slow"))).start()
    with pytest.raises(TimeoutError, match="slow"):
        next(steps)
    assert job.partial
    assert len(job.rows) == 11
    assert slow.n_audited == 10  # what is kept is held or audited like any other


def test_run_goes_on_where_an_interruption_left_it(
    pipeline: ListingPipeline, upload: Upload, tmp_path: Path
) -> None:
    slow, keep = Slow(pipeline), tmp_path / "verdicts"
    job = BatchJob(slow, upload, chunk=10, keep=keep)  # type: ignore[arg-type]
    steps = job.run()
    next(steps)
    for place in range(2):
        threading.Timer(0.05, slow.answer, [place]).start()
        assert next(steps).n_judged == 10 * (place + 1)
    steps.close()
    again = Slow(pipeline)
    job = BatchJob(again, upload, chunk=10, keep=keep)  # type: ignore[arg-type]
    steps = job.run()
    assert next(steps) == Progress(21, 64, 0, pytest.approx(0, abs=60))
    threading.Timer(0.05, again.answer).start()
    step = next(steps)
    assert (step.n_done, step.n_judged) == (31, 10)
    assert list(again.asked[0]) == list(upload.catalog.listings[20:30])
    assert [listing for listing, _ in job.judged] == list(upload.catalog.listings[:30])
    steps.close()
    other = Slow(replace(pipeline, version="another"))
    steps = BatchJob(other, upload, chunk=10, keep=keep).run()  # type: ignore[arg-type]
    assert next(steps).n_done == 1, "verdicts of another model don't count"
    steps.close()
