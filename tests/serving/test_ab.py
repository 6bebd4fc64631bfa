"""A challenger beside the champion: right shares, no request lost or slower, off by itself."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from scipy.stats import binom
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.core.errors import BundleError, ConfigError
from shelfsure.monitoring.experiment import Contender, Experiment
from shelfsure.monitoring.log_folder import LogFolder
from shelfsure.monitoring.pairs import pairs_in
from shelfsure.monitoring.verdict_log import VerdictLog
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving import shadow
from shelfsure.serving.challenger import Challenger
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.review.audit import Auditor
from shelfsure.serving.review.store import ReviewStore
from shelfsure.serving.routing import in_share
from shelfsure.serving.service import Service


@dataclass
class Model:
    """Accepts everything; it fails while it is told to, and waits at its gate."""

    version: str
    failing: bool = False
    n_judged: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def config(self) -> Config:
        return Config()

    def predict(self, listings: Sequence[Listing], **_: Any) -> list[Verdict]:
        assert self.gate.wait(20)
        if self.failing or any(item.title == "breaks" for item in listings):
            raise RuntimeError("secret of a listing")
        self.n_judged += len(listings)
        return [
            Verdict(
                listing_id=item.listing_id,
                decision="accept",
                category="Lamps",
                model_version=self.version,
            )
            for item in listings
        ]


@pytest.fixture
def champion() -> Model:
    return Model("old")


@pytest.fixture
def new() -> Model:
    return Model("new")


@pytest.fixture
def serving(champion: Model, new: Model) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(share: float, open_new: Callable[[], Any] | None = None, **settings: Any) -> Service:
        trial = Challenger(open_new or (lambda: new), share)
        made.append(Service(lambda: champion, challenger=trial, **settings))
        assert made[-1].pipeline is champion
        wait_for(lambda: trial.last is not None or trial.off is not None)
        return made[-1]

    yield make
    new.gate.set()
    for service in made:
        service.close()


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


def answerers(service: Service, n: int, start: int = 0) -> list[str]:
    futures = [service.submit([Listing(f"id {k}")]) for k in range(start, start + n)]
    return [future.result(20)[0].model_version for future in futures]


def metric(service: Service, name: str, **labels: str) -> float:
    return service.metrics.registry.get_sample_value(f"shelfsure_{name}", labels) or 0.0


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_is_right_within_chance_and_stays(share: float) -> None:
    ids = [Listing(f"listing-{n}") for n in range(2000)]
    drawn = [in_share(listing, share) for listing in ids]
    low, high = binom.ppf([0.0005, 0.9995], 2000, share)
    assert low <= sum(drawn) <= high
    assert drawn == [in_share(Listing(x.listing_id, "other title", b"x"), share) for x in ids]
    larger = [in_share(listing, 2 * share) for listing in ids]
    assert all(b for a, b in zip(drawn, larger, strict=True) if a)
    assert not any(in_share(listing, 0.0) for listing in ids)
    assert all(in_share(listing, 1.0) for listing in ids)


def test_a_share_is_the_same_in_every_process_and_by_seller() -> None:
    drawn = [n for n in range(60) if in_share(Listing(f"listing-{n}"), 0.1)]
    assert drawn == EXPECTED  # computed once: a restart must not change it
    of_seller = {in_share(Listing(f"listing-{n}", group="ann"), 0.3) for n in range(200)}
    assert len(of_seller) == 1
    photos = [in_share(Listing(image=bytes([n])), 0.5) for n in range(200)]
    assert 60 < sum(photos) < 140


EXPECTED = [15, 26, 27, 30, 33, 40, 49]


def test_a_challenger_answers_its_share_and_nothing_that_is_tried_out(
    serving: Callable[..., Service],
) -> None:
    service = serving(0.25)
    said = answerers(service, 200)
    assert said == ["new" if in_share(Listing(f"id {n}"), 0.25) else "old" for n in range(200)]
    assert metric(service, "answers_total", role="challenger") == said.count("new") > 0
    tried = {service.judge(Listing(f"id {n}"), watched=False).model_version for n in range(200)}
    assert tried == {"old"}


def test_a_shadow_judges_behind_the_answer_and_never_answers(
    serving: Callable[..., Service], new: Model
) -> None:
    service = serving(0.0)
    assert set(answerers(service, 40)) == {"old"}
    wait_for(lambda: new.n_judged == 40)
    wait_for(lambda: metric(service, "ab_pairs_total", agree="yes") == 40)


def test_answers_dont_wait_for_a_shadow_that_hangs_and_what_is_too_much_is_dropped(
    serving: Callable[..., Service], new: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "MAX_WAITING", 10)
    monkeypatch.setattr(shadow, "FINISH_S", 0.0)
    service = serving(0.0)
    new.gate.clear()
    assert set(answerers(service, 40)) == {"old"}
    wait_for(lambda: metric(service, "shadow_total", outcome="dropped") >= 40 - 10 - shadow.BATCH)
    large = Listing("large", image=bytes(shadow.MAX_BYTES + 1))
    before = metric(service, "shadow_total", outcome="dropped")
    assert service.judge(large).model_version == "old"
    wait_for(lambda: metric(service, "shadow_total", outcome="dropped") == before + 1)
    new.gate.set()
    service.close()
    done = [metric(service, "shadow_total", outcome=name) for name in ("judged", "dropped")]
    assert sum(done) == 41


def test_a_shadow_takes_a_tenth_of_busy_time_at_most() -> None:
    spent: list[float] = []

    def judge(tasks: Sequence[shadow.ShadowTask]) -> None:
        time.sleep(0.01)
        spent.append(0.01)

    task = shadow.ShadowTask(Listing("x"), *[None] * 4, duplicates=True)  # type: ignore[arg-type]
    start = time.perf_counter()
    line = shadow.Shadow(judge, lambda: False, lambda _: None)
    line.put([task] * 200)
    time.sleep(1.0)
    took_s, n = time.perf_counter() - start, len(spent)
    line.put([])
    assert 0 < n * 0.01 <= shadow.BUSY_FRACTION * took_s + 0.02
    line.close()


def test_a_challenger_that_fails_loses_no_request_and_is_switched_off_with_the_reason(
    serving: Callable[..., Service], new: Model, caplog: pytest.LogCaptureFixture
) -> None:
    service = serving(1.0)
    assert set(answerers(service, 20)) == {"new"}
    new.failing = True
    said = [service.judge(Listing(f"id {n}")).model_version for n in range(20)]
    assert said == ["old"] * 20
    trial = service.challenger
    assert trial is not None
    assert trial.off is not None
    assert trial.off.why == "failures"
    assert "RuntimeError" in trial.off.reason
    assert "secret" not in trial.off.reason
    assert "the challenger is switched off" in caplog.text
    assert (
        'shelfsure_challenger{version="new",why="failures"} 0.0' in service.metrics.page().decode()
    )
    assert metric(service, "challenger_failures_total") == 3
    health = TestClient(create_app(service)).get("/healthz").json()["challenger"]
    assert (health["on"], health["model_version"]) == (False, "new")
    assert health["off"] == trial.off.reason
    new.failing = False
    assert trial.reload() == "new"  # another bundle begins another trial
    assert set(answerers(service, 20)) == {"new"}


def test_a_listing_that_breaks_both_isnt_the_challengers_fault(
    serving: Callable[..., Service],
) -> None:
    service = serving(1.0)
    for _ in range(6):
        with pytest.raises(RuntimeError):
            service.judge(Listing("x", "breaks"))
    assert service.challenger is not None
    assert service.challenger.off is None


def test_a_challenger_that_cant_be_opened_leaves_the_champion_alone(
    serving: Callable[..., Service],
) -> None:
    def broken() -> Any:
        raise BundleError("/home/ann/runs/new is damaged.")

    service = serving(0.5, broken)
    assert set(answerers(service, 40)) == {"old"}
    assert service.challenger is not None
    assert service.challenger.off is not None
    assert service.challenger.off.reason == "It can't be opened (BundleError)."


def test_a_trial_whose_challenger_cant_be_opened_is_written_down_as_lost(
    serving: Callable[..., Service], tmp_path: Path
) -> None:
    def broken() -> Any:
        raise BundleError("damaged")

    folder = LogFolder.create(tmp_path / "log")
    earlier = [Contender(version, "", 0.9, 0.95) for version in ("old", "newer")]
    Experiment(*earlier, share=0.5).write(folder.path)
    with VerdictLog(folder) as log:
        assert answerers(serving(0.5, broken, verdict_log=log), 2) == ["old", "old"]
        wait_for(lambda: Experiment.read(folder.path).off)
    lost = Experiment.read(folder.path)
    assert (lost.champion.version, lost.challenger.version) == ("old", "")
    assert lost.off == "It can't be opened (BundleError)."


def test_a_challenger_that_is_promoted_is_no_challenger_any_more(
    serving: Callable[..., Service], champion: Model, new: Model
) -> None:
    service = serving(0.5)
    champion.version = "new"
    service.judge(Listing("x"))
    assert service.challenger is not None
    assert service.challenger.off is not None
    assert service.challenger.off.why == "promoted"


def test_a_challenger_whose_accepted_answers_are_wrong_is_switched_off(
    serving: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfsure.serving.review.audit.LOOK_S", 0.0)
    store = ReviewStore(tmp_path / "reviews.sqlite")
    service = serving(1.0, auditor=Auditor(store, 1.0))
    for n in range(10):
        verdict = service.judge(Listing(f"l{n}", f"title {n}"))
        if verdict.model_version == "old":
            break
        item = next(each for each in store.pending(50) if each.listing.listing_id == f"l{n}")
        store.answer(item.item_id, "not_sold", "ann")
    assert n <= 4
    assert (verdict.model_version, verdict.decision) == ("old", "accept")
    assert service.challenger is not None
    assert service.challenger.off is not None
    assert "breaks the promise" in service.challenger.off.reason
    assert metric(service, "challenger_audited", outcome="wrong") > 0


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_within_0_and_1(share: float) -> None:
    with pytest.raises(ConfigError, match=f"got {share}"):
        Challenger(lambda: None, share)  # type: ignore[arg-type, return-value]


@pytest.fixture(scope="session")
def two_bundles(
    tiny_trained: ListingPipeline,
    tiny_folder: Path,
    tiny_config: Config,
    without_retrieval: Callable[..., ListingPipeline],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[ListingPipeline, ListingPipeline]:
    """A champion, and a challenger that has seen half of the catalogue."""
    folder = tmp_path_factory.mktemp("ab")
    catalog = read_catalog(tiny_folder / "catalogue.csv", need_category=True)
    half = catalog.reject(dict.fromkeys(catalog.rows[1::2], "kept back"))
    challenger = without_retrieval(half, tiny_config, embedder=tiny_trained.embedder)
    return tiny_trained.save(folder / "old"), challenger.save(folder / "new")


def test_rest_answers_by_both_and_logs_pairs_that_can_be_forgotten(
    two_bundles: tuple[ListingPipeline, ListingPipeline], tiny_folder: Path, tmp_path: Path
) -> None:
    old, new = two_bundles
    folder = LogFolder.create(tmp_path / "log")
    trial = Challenger(lambda: new, 0.4, ("runs/old", "runs/new"))
    catalog = read_catalog(tiny_folder / "catalogue.csv")
    titles = [item.title for item in catalog.listings if item.title]
    with (
        VerdictLog(folder) as log,
        Service(lambda: old, verdict_log=log, challenger=trial) as service,
    ):
        wait_for(lambda: trial.last and service.ready)
        client = TestClient(create_app(service))
        items = [
            {"listing_id": f"x{n}", "title": titles[n % len(titles)], "group": f"seller {n // 2}"}
            for n in range(60)
        ]
        answers = [
            each["verdict"]
            for start in range(0, 60, 20)
            for each in client.post(
                "/v1/verdicts", json={"listings": items[start : start + 20]}
            ).json()["results"]
        ]
        assert client.get("/readyz").json()["challenger"] == {
            **{"model_version": new.version, "share": 0.4, "on": True, "off": None}
        }
    by = Counter(each["model_version"] for each in answers)
    drawn = [in_share(Listing(x["listing_id"], group=x["group"]), 0.4) for x in items]
    assert by == {new.version: sum(drawn), old.version: 60 - sum(drawn)}
    experiment = Experiment.read(folder.path)
    assert experiment.off is None
    assert (experiment.champion.version, experiment.challenger.version) == (
        old.version,
        new.version,
    )
    assert experiment.challenger.bundle == "runs/new"
    table = folder.newest(1000)
    found = pairs_in(table, experiment)
    assert len(found.pairs) == 60
    assert found.n_alone == 0
    for pair in found.pairs:
        assert pair.champion["time"] == pair.challenger["time"]  # so that forgetting finds both
        assert pair.by_challenger == drawn[int(pair.listing_id[1:])]
    expected = {x.listing_id: x.category for x in new.predict([Listing(**x) for x in items])}
    assert {p.listing_id: p.challenger["category"] for p in found.pairs} == expected
    assert folder.forget(["x7"]) == 2
    assert "x7" not in folder.newest(1000)["listing_id"].to_pylist()


def test_the_page_says_that_a_trial_is_over(
    two_bundles: tuple[ListingPipeline, ListingPipeline],
) -> None:
    from shelfsure.serving.demo.ui import footer_when_loaded

    old, new = two_bundles
    trial = Challenger(lambda: new, 0.4)
    with Service(lambda: old, challenger=trial) as service:
        wait_for(lambda: trial.last and service.ready)
        assert [said for said, _ in footer_when_loaded(service)] == [""]
        trial.stop("failures", "It failed <again>.")
        (said,) = [said for said, _ in footer_when_loaded(service)]
    assert "The trial is over" in said
    assert "the champion answers alone. It failed &lt;again&gt;." in said
