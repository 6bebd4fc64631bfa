"""A retraining as a whole, with fake encoders and a registry that is a list."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import shelfsure.evaluation.paired_comparison as comparison_module
import shelfsure.monitoring.retraining.config as config_module
import shelfsure.monitoring.retraining.run as run_module
import shelfsure.pipeline.training as training
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.catalog.merging import Additions, Merged, merge
from shelfsure.core.config import Config
from shelfsure.core.errors import CatalogError, ConfigError
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.monitoring.retraining.config import ReadConfig, RetrainConfig
from shelfsure.monitoring.retraining.dataset import read_parts
from shelfsure.monitoring.retraining.run import Retraining, retrain
from shelfsure.monitoring.retraining.steps import Steps
from shelfsure.pipeline.bundle import copy_bundle, open_bundle
from shelfsure.pipeline.pipeline import ListingPipeline


@dataclass
class FakeRegistry:
    """What the retraining asks of MLflow, kept in folders so that a killed process leaves it."""

    home: Path
    champion: Path = field(init=False)

    def __post_init__(self) -> None:
        self.champion = self.home / "champion"
        self.home.mkdir()

    def before(self, _uri: str, _name: str, key: str) -> str:
        return "" if not self.champion.exists() or self.key == key else "1"

    @property
    def key(self) -> str:
        return (self.home / "key").read_text()

    @contextmanager
    def opened(self, _uri: str, _name: str, _: str, options: RunOptions) -> Iterator[Any]:
        yield ListingPipeline.load(self.champion, options)

    def register(self, _uri: str, _name: str, bundle: Path, **told: Any) -> str:
        (self.home / "registered").write_text(f"{told['alias']} {told['compared']}")
        if told["alias"] == "champion":
            copy_bundle(bundle, self.champion, overwrite=True)
            (self.home / "key").write_text(told["key"])
        return "2"

    def pull(self, _uri: str, _name: str, out: Path) -> None:
        copy_bundle(self.champion, out, overwrite=True)


@pytest.fixture
def registry(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_embedder: Callable[..., Embedder],
    tiny_config: Config,
) -> FakeRegistry:
    made = FakeRegistry(tmp_path / "registry")

    def load(_: object, options: RunOptions) -> Embedder:
        return replace(fake_embedder(), options=options)

    for module in ("pipeline.persistence", "pipeline.pipeline", "monitoring.retraining.division"):
        monkeypatch.setattr(f"shelfsure.{module}.load_embedder", load)
    monkeypatch.setattr(training, "fit_retrieval", lambda *_, **__: None)  # it takes seconds
    monkeypatch.setattr(config_module, "load_config", lambda *_, **__: tiny_config)
    monkeypatch.setattr(comparison_module, "MIN_GROUPS", 15)  # there are 60 listings in all
    monkeypatch.setattr(run_module, "champion_before", made.before)
    monkeypatch.setattr(run_module, "opened_version", made.opened)
    monkeypatch.setattr(run_module, "register_once", made.register)
    monkeypatch.setattr(run_module, "pull_champion", made.pull)
    return made


@pytest.fixture
def settings(tmp_path: Path, tiny_folder: Path) -> RetrainConfig:
    return RetrainConfig(
        catalogue=tiny_folder / "catalogue.csv",
        out=tmp_path / "out",
        winner="champion",
        test_fraction=0.4,
    )


def answered(category: str, n: int, start: int = 0) -> Additions:
    words = {"Home > Lamps": "lamp light", "Home > Rugs": "rug carpet", "Toys > Kites": "kite"}
    own = (f"{words[category]} reviewed {i}" for i in range(start, start + n))
    labelled = tuple(Listing(f"rev-{title[-2:]}", title, category=category) for title in own)
    return Additions(Path("reviews.sqlite"), labelled, answered=True)


def run(settings: RetrainConfig, *more: Additions, log: list[str] | None = None) -> Retraining:
    def read() -> Merged:
        return merge(read_catalog(settings.catalogue, need_category=True), more)

    return retrain(settings, read, RunOptions(), [].append if log is None else log.append)


def hashes(folder: Path) -> dict[str, str]:
    """Hash what a bundle holds; its manifest and card say when it was made."""
    files = open_bundle(folder).files
    return {name: said["sha256"] for name, said in files.items() if name != "README.md"}


def ids_that_test(settings: RetrainConfig) -> set[str]:
    [place] = (settings.out / "steps").glob("parts-*")
    return {name for name, part in read_parts(place).items() if part == "test"}


def test_retrain_is_done_once_and_keeps_test_listings(
    settings: RetrainConfig, registry: FakeRegistry
) -> None:
    log: list[str] = []
    first = run(settings, log=log)
    assert (first.ran, first.alias, first.gate.first) == (True, "champion", True)
    assert hashes(settings.out / "champion") == hashes(first.bundle)
    before = ids_that_test(settings)
    assert 20 <= len(before) <= 30
    again = run(settings, log=log)
    assert (again.ran, again.data_version) == (False, first.data_version)
    assert log[-1].startswith("retrain skipped: nothing to do")

    reviews = answered("Home > Lamps", 8, 10)
    second = run(settings, reviews, log=log)
    assert second.ran
    assert second.data_version != first.data_version
    after = ids_that_test(settings)
    assert after >= before
    assert {name for name in after if name.startswith("rev-")}
    assert second.gate.overall is not None
    assert any(line.startswith("retrain started: data") and "the last was" in line for line in log)
    assert len(list((settings.out / "steps").iterdir())) == 4, "older results are gone"


def test_losing_bundle_is_not_handed_on(
    settings: RetrainConfig, registry: FakeRegistry, tiny_folder: Path
) -> None:
    run(settings)
    champion = hashes(settings.out / "champion")
    # people say the contrary of what is so, of every training listing
    wrong = {"Home > Lamps": "Home > Rugs", "Home > Rugs": "Toys > Kites"}
    tests = ids_that_test(settings)
    catalog = read_catalog(settings.catalogue, need_category=True)
    labelled = tuple(
        replace(one, category=wrong.get(one.category or "", "Home > Lamps"))
        for one in catalog.listings
        if one.listing_id not in tests
    )
    bad = Additions(Path("reviews.sqlite"), labelled, answered=True)
    second = run(settings, bad)
    assert second.gate.overall is not None
    assert second.gate.overall.difference.high < 0
    assert (second.alias, second.gate.worth_a_trial) == ("", False)
    assert hashes(second.bundle) != champion
    assert hashes(settings.out / "champion") == champion
    assert (registry.home / "registered").read_text().startswith(" -")


def test_retrain_leans_towards_the_newest_answers_that_train(
    settings: RetrainConfig, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, given = ListingPipeline.fit, []

    def noted(*own: Any, newest: Any, **more: Any) -> Any:
        given.append(list(newest))
        return fit(*own, newest=newest, **more)

    monkeypatch.setattr(ListingPipeline, "fit", noted)
    few = settings.model_copy(update={"newest": 12})
    run(few, answered("Home > Lamps", 8, 10), answered("Toys > Kites", 8, 30))
    newest = [f"rev-{n}" for n in (*range(14, 18), *range(30, 38))]
    tests = ids_that_test(few)
    assert given == [[name for name in newest if name not in tests]]
    # the same listings, answered in another order: others are the newest
    run(few, answered("Toys > Kites", 8, 30), answered("Home > Lamps", 8, 10))
    newest = [f"rev-{n}" for n in (*range(34, 38), *range(10, 18))]
    assert given[1:] == [[name for name in newest if name not in tests]]


STEPS = ("parts", "bundle", "comparison", "registration")


def test_retrain_stopped_after_any_step_ends_as_undisturbed(
    settings: RetrainConfig, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    undisturbed = settings.model_copy(update={"out": tmp_path / "undisturbed"})
    expected = run(undisturbed)
    for path in (registry.home / "key", registry.home / "registered"):
        path.unlink()
    registry.champion.rename(tmp_path / "first champion")
    log = Steps.log

    def stopped(at: str) -> None:
        def raises(self: Steps, step: str, action: str, why: str) -> None:
            log(self, step, action, why)
            if (step, action) == (at, "done"):
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Steps, "log", raises)
            with pytest.raises(KeyboardInterrupt):
                run(settings)

    said: list[str] = []
    for step in STEPS:
        stopped(step)
    done = run(settings, log=said)
    assert (done.ran, done.alias, done.data_version) == (True, "champion", expected.data_version)
    assert hashes(done.bundle) == hashes(expected.bundle)
    assert hashes(settings.out / "champion") == hashes(expected.bundle)
    assert sum("skipped: it is there" in line for line in said) == len(STEPS)


def test_retrain_goes_on_from_what_a_kill_leaves(
    settings: RetrainConfig, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save, left = ListingPipeline.save, tmp_path / "left"

    def stopped(self: ListingPipeline, *given: Any, **more: Any) -> Any:
        save(self, *given, **more)
        shutil.copytree(settings.out, left)  # as no cleaning up would change it any more
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ListingPipeline, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(settings)
    shutil.rmtree(settings.out)
    left.rename(settings.out)
    assert [path for path in (settings.out / "steps").iterdir() if "partial" in path.name]
    names = {path.name.split("-")[0] for path in (settings.out / "steps").iterdir()}
    assert "parts" in names
    assert "bundle" not in names, "half a step is none"
    done = run(settings)
    assert done.alias == "champion"
    assert not [p for p in (settings.out / "steps").iterdir() if "partial" in p.name]


def test_rows_that_cannot_be_used_are_said_and_written(
    settings: RetrainConfig, registry: FakeRegistry, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no photo")
    listing = Listing("odd", "lamp light", broken, category="Home > Lamps")
    log: list[str] = []
    run(settings, Additions(Path("more.csv"), (listing,)), log=log)
    [said] = [line for line in log if line.startswith("parts read: ")]
    assert " unusable photo, " in said
    reasons = Path(said.rpartition("; reasons in ")[2])
    assert "broken.png: a photo must be" in reasons.read_text()


def test_too_few_usable_rows_end_a_retraining(
    settings: RetrainConfig, registry: FakeRegistry, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_text("no photo")
    listing = Listing("odd", "lamp light", tmp_path / "broken.png", category="Home > Lamps")
    strict = settings.model_copy(update={"read": ReadConfig(min_usable=1.0)})
    with pytest.raises(CatalogError, match=r"100\.0% of the rows"):
        run(strict, Additions(Path("more.csv"), (listing,)))


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"parts": "parts-1', "null"])
def test_a_damaged_record_of_the_last_run_is_named(
    text: str, settings: RetrainConfig, registry: FakeRegistry
) -> None:
    settings.out.mkdir()
    (settings.out / "latest.json").write_text(text)
    with pytest.raises(ConfigError, match=r"latest\.json must say"):
        run(settings)
