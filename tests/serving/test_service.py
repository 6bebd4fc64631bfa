"""The service: same verdicts as the pipeline, batches shared, nothing lost, nothing mixed up."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.core.errors import BundleError
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import ShiftDetector
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.review.audit import Auditor
from shelfsure.serving.review.store import ReviewStore
from shelfsure.serving.service import (
    QueueFullError,
    Service,
    ServiceClosedError,
)


@dataclass
class FakePipeline:
    """Says each listing's title back; a detector holds it up, and some titles break it."""

    version: str = "v1"
    batches: list[list[str]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def config(self) -> Config:
        return Config()

    def shift_detector(self) -> ShiftDetector:
        return ShiftDetector(1000)

    def predict(
        self, listings: Sequence[Listing], *, duplicates: bool = True, on_shift: str = "review"
    ) -> list[Verdict]:
        assert on_shift == "ignore"  # a service watches its whole stream, not each batch
        self.entered.set()
        assert self.gate.wait(20)
        self.batches.append([item.listing_id for item in listings])
        if any(item.title == "breaks" for item in listings):
            raise RuntimeError("broken")
        return [
            Verdict(
                listing_id=item.listing_id,
                decision="accept" if item.brand else "review",
                ood_p_value=float(item.brand) if item.brand else None,
                reasons=(item.title or "", str(duplicates)),
                model_version=self.version,
            )
            for item in listings
        ]


@pytest.fixture
def fake() -> FakePipeline:
    return FakePipeline()


@pytest.fixture
def make_service(fake: FakePipeline) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(open_pipeline: Callable[[], object] | None = None, **settings: Any) -> Service:
        service = Service(open_pipeline or (lambda: fake), **settings)
        made.append(service)
        return service

    yield make
    fake.gate.set()
    for service in made:
        service.close()


def held(service: Service, fake: FakePipeline) -> None:
    """Keep the model busy with one listing until the detector opens."""
    fake.gate.clear()
    service.submit([Listing("held")])
    assert fake.entered.wait(20)


def test_judge_answers_as_the_pipeline_does(tiny_trained: ListingPipeline) -> None:
    pipeline: ListingPipeline = tiny_trained
    listings = list(tiny_trained.catalog.listings[:20])
    with Service(lambda: pipeline) as service:
        singles = [service.judge(listing) for listing in listings]
        together = service.submit(listings).result()
    assert singles == together == pipeline.predict(listings)


def test_submit_judges_what_waits_in_one_batch_and_mixes_nothing_up(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_batch=8)
    held(service, fake)
    futures = [service.submit([Listing(f"{n}", f"title {n}")]) for n in range(10)]
    fake.gate.set()
    for number, future in enumerate(futures):
        (verdict,) = future.result(20)
        assert (verdict.listing_id, verdict.reasons[0]) == (f"{number}", f"title {number}")
    assert [len(batch) for batch in fake.batches] == [1, 8, 2]


def test_clients_who_took_turns_come_to_share_batches(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    def predict(listings: Sequence[Listing], **given: Any) -> list[Verdict]:
        time.sleep(0.3)
        return FakePipeline.predict(fake, listings, **given)

    fake.predict = predict  # type: ignore[method-assign]
    service = make_service()

    def client(number: int) -> None:
        time.sleep(0.1 * (number // 4))  # two groups, one late
        for _ in range(6):
            service.judge(Listing(f"{number}"))
            time.sleep(0.008)  # until it has read the answer and asks again

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    sizes = [len(batch) for batch in fake.batches]
    assert sum(sizes) == 48
    assert sizes.count(8) >= 4, sizes


def test_a_large_job_alone_never_waits(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_batch=2, max_wait_s=5.0)
    start = time.perf_counter()
    assert len(service.submit([Listing(f"{n}") for n in range(8)]).result(20)) == 8
    assert time.perf_counter() - start < 4


def test_submit_lets_small_jobs_pass_through_a_large_one(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_batch=4)
    held(service, fake)
    large = service.submit([Listing(f"L{n}") for n in range(12)])
    small = service.submit([Listing("small")])
    fake.gate.set()
    assert [verdict.listing_id for verdict in large.result(20)] == [f"L{n}" for n in range(12)]
    assert small.done()
    assert "small" in fake.batches[2]  # right after the large job's first part


def test_submit_keeps_jobs_with_and_without_duplicates_apart(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service()
    held(service, fake)
    futures = [service.submit([Listing(f"{n}")], duplicates=n % 2 == 0) for n in range(6)]
    fake.gate.set()
    answers = [future.result(20)[0].reasons[1] for future in futures]
    assert answers == ["True", "False"] * 3
    assert fake.batches[1:] == [["0", "2", "4"], ["1", "3", "5"]]


def test_submit_refuses_what_the_queue_cannot_hold(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_queue=3)
    held(service, fake)
    kept = service.submit([Listing("a"), Listing("b")])
    with pytest.raises(QueueFullError, match="At most 3 listings may wait, but 2 do") as caught:
        service.submit([Listing("c"), Listing("d")])
    assert 1 <= caught.value.retry_after_s <= 60
    assert service.n_waiting == 2
    fake.gate.set()
    assert len(kept.result(20)) == 2
    assert service.metrics.registry.get_sample_value("shelfsure_refused_total") == 1


def test_submit_of_nothing_answers_nothing(make_service: Callable[..., Service]) -> None:
    assert make_service().submit([]).result(20) == []


def test_submit_fails_only_the_job_that_breaks(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service()
    held(service, fake)
    futures = [service.submit([Listing(t, t)]) for t in ("a", "breaks", "b")]
    fake.gate.set()
    assert [futures[n].result(20)[0].listing_id for n in (0, 2)] == ["a", "b"]
    with pytest.raises(RuntimeError, match="broken"):
        futures[1].result(20)
    assert service.judge(Listing("later")).listing_id == "later"


def test_cancel_takes_a_job_out_of_the_queue(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_batch=2)
    held(service, fake)
    futures = [service.submit([Listing(name)]) for name in "abc"]
    assert futures[1].cancel()
    fake.gate.set()
    wait([futures[0], futures[2]], 20)
    assert ["a", "c"] in fake.batches
    with pytest.raises(CancelledError):
        futures[1].result()


def test_close_finishes_what_was_accepted_and_refuses_the_rest(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_batch=2)
    held(service, fake)
    futures = [service.submit([Listing(f"{n}")]) for n in range(5)]
    closing = threading.Thread(target=service.close)
    closing.start()
    while service.ready:
        time.sleep(0.001)
    with pytest.raises(ServiceClosedError, match="shutting down"):
        service.submit([Listing("late")])
    fake.gate.set()
    closing.join(20)
    assert [future.result(0)[0].listing_id for future in futures] == list("01234")


def test_pipeline_raises_what_loading_raised(make_service: Callable[..., Service]) -> None:
    def broken() -> object:
        raise BundleError("Bundle x is damaged.")

    service = make_service(broken)
    with pytest.raises(BundleError, match="damaged"):
        _ = service.pipeline
    with pytest.raises(BundleError, match="damaged"):
        service.judge(Listing("a"))
    assert not service.ready


def test_service_answers_what_was_asked_while_it_loaded(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    loading = threading.Event()

    def slow() -> FakePipeline:
        assert loading.wait(20)
        return fake

    service = make_service(slow)
    future = service.submit([Listing("early")])
    assert not service.ready
    loading.set()
    assert future.result(20)[0].listing_id == "early"
    assert service.ready


def test_reload_under_load_drops_nothing(make_service: Callable[..., Service]) -> None:
    versions = iter([FakePipeline(f"v{n}") for n in range(100)])
    service = make_service(lambda: next(versions), max_queue=10_000)
    answered: list[Verdict] = []
    stop = threading.Event()

    def ask(name: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            verdict = service.judge(Listing(f"{name}-{number}"))
            assert verdict.listing_id == f"{name}-{number}"
            answered.append(verdict)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for _ in range(20):
        time.sleep(0.01)
        version = service.reload()
    after = service.judge(Listing("after")).model_version
    stop.set()
    for thread in threads:
        thread.join(20)
    assert version == after == "v20"
    assert len(answered) > 50
    assert {verdict.model_version for verdict in answered} > {"v0", "v19"}


def test_reload_of_a_broken_bundle_keeps_the_old_one(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    answers: list[object] = [fake, BundleError("half a bundle")]

    def opening() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    service = make_service(opening)
    with pytest.raises(BundleError, match="half a bundle"):
        service.reload()
    assert service.judge(Listing("a")).model_version == "v1"


def test_judge_alone_never_waits_for_others(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(max_wait_s=0.2)
    service.judge(Listing("warm"))
    start = time.perf_counter()
    for number in range(10):
        service.judge(Listing(f"{number}"))
    assert time.perf_counter() - start < 0.2  # less than one wait, for ten
    assert len(fake.batches) == 11


def test_a_service_stops_accepting_once_its_listings_have_drifted(
    make_service: Callable[..., Service], fake: FakePipeline
) -> None:
    service = make_service(on_shift="review")
    usual = [service.judge(Listing("a", brand=f"0.{n % 9 + 1}")) for n in range(60)]
    assert {verdict.decision for verdict in usual} == {"accept"}
    strange = [service.judge(Listing("b", brand="0.06")) for _ in range(60)]
    assert strange[0].decision == "accept"
    assert strange[-1].decision == "review"
    assert strange[-1].shift is not None
    assert "shelfsure_shift_p_value" in service.metrics.page().decode()
    assert service.metrics.shift_p_value._value.get() < 0.01
    # another bundle starts anew
    service._open = lambda: FakePipeline(version="v2")
    service.reload()
    assert service.judge(Listing("c", brand="0.06")).decision == "accept"


def test_a_service_leaves_alone_whoever_isnt_watched(make_service: Callable[..., Service]) -> None:
    service = make_service(on_shift="review")
    odd = [Listing("b", brand="0.06") for _ in range(60)]
    tried = service.submit(odd, watched=False).result(20)
    assert {(verdict.decision, verdict.shift) for verdict in tried} == {("accept", None)}
    assert service.metrics.shift_p_value._value.get() == 1
    assert service.submit(odd).result(20)[-1].decision == "review"
    assert service.judge(odd[0]).decision == "review"
    assert service.judge(odd[0], watched=False).decision == "accept"


def test_a_service_that_ignores_shifts_goes_on(make_service: Callable[..., Service]) -> None:
    service = make_service()
    assert {service.judge(Listing("b", brand="0.06")).decision for _ in range(60)} == {"accept"}


def test_a_service_has_accepted_listings_audited_and_stops_where_they_are_wrong(
    make_service: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfsure.serving.review.audit.LOOK_S", 0.0)
    store = ReviewStore(tmp_path / "reviews.sqlite")
    service = make_service(auditor=Auditor(store, 1.0))
    for n in range(30):
        verdict = service.judge(Listing(f"l{n}", f"title {n}", brand="0.5"))
        if verdict.decision != "accept":
            break
        assert verdict.audit
        store.answer(store.pending(1)[0].item_id, "not_sold", "ann")
    assert n == 2  # two wrong ones in a row: .0009 by chance
    assert "That breaks the promise" in verdict.reasons[0]
    tried = service.judge(Listing("tried", "odd", brand="0.5"), watched=False)
    assert (tried.decision, tried.reasons[0]) == ("review", verdict.reasons[0])
    assert store.pending(100) == []
    page = service.metrics.page().decode()
    assert f'shelfsure_audited{{outcome="wrong"}} {n:.1f}' in page
    assert 'shelfsure_audited_precision{bound="low"} 0.0' in page
    unread = Auditor(ReviewStore(tmp_path), 1.0)  # a folder where a file should be
    (tmp_path / "reviews.sqlite").write_text("no database")
    service = make_service(auditor=unread)
    assert service.judge(Listing("x", brand="0.5")).decision == "accept"
