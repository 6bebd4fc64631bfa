"""A bundle that is exchanged while others read or change it: one generation, and no change lost."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.config import Config
from shelfsure.core.errors import BundleChangedError, BundleReplacedError
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline import bundle as bundles
from shelfsure.pipeline import persistence
from shelfsure.pipeline.bundle import copy_bundle, open_bundle
from shelfsure.pipeline.persistence import change_bundle, load_names
from shelfsure.pipeline.pipeline import ListingPipeline

PARTS = ("heads", "tfidf", "ood_detector", "zero_shot", "index")


pytestmark = pytest.mark.usefixtures("naming_encoders")


@pytest.fixture(scope="module")
def generations(
    tmp_path_factory: pytest.TempPathFactory,
    drawn_shop: Path,
    naming_embedder: Callable[..., Embedder],
) -> list[Path]:
    """Two bundles of other listings each, but the same categories."""
    folder = tmp_path_factory.mktemp("generations")
    config = Config(levels=2, min_examples=5)
    catalog = read_catalog(drawn_shop / "catalogue.csv", need_category=True)
    bundles = []
    for name, dropped in (("first", {1, 2, 3}), ("second", {10, 11, 12})):
        part = catalog.reject(dict.fromkeys(dropped, "left out"))
        pipeline = ListingPipeline.fit(part, config, embedder=naming_embedder())
        pipeline.with_categories([f"Of the {name}"]).save(folder / name)
        bundles.append(folder / name)
    return bundles


def contents(pipeline: ListingPipeline) -> dict[str, Any]:
    """What each part holds, enough to tell generations apart."""
    retrieval = pipeline.retrieval
    assert retrieval is not None
    assert retrieval.index is not None
    assert retrieval.ood_detector is not None
    assert retrieval.zero_shot is not None
    heads = {name: head.coefficients.tobytes() for name, head in pipeline.classifier.heads.items()}
    scores = [known.ood_scores.tobytes() for known in retrieval.ood_detector.calibration.values()]
    arrays, settings = retrieval.zero_shot.to_parts()
    return {
        "heads": heads,
        "tfidf": pipeline.tfidf["title"].vectorizers[0].idf_.tobytes(),
        "ood_detector": scores,
        "zero_shot": [settings["names"], *(a.tobytes() for a in arrays.values())],
        "index": sorted(retrieval.index.ids()),
    }


@contextmanager
def exchanging(turn: Callable[[int], None]) -> Iterator[None]:
    """Let a thread exchange a bundle over and over."""
    stop = threading.Event()

    def run() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            turn(number)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("how", ["copied", "renamed"])
def test_load_never_mixes_generations(
    generations: list[Path], tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        open_bundle(each).version: contents(ListingPipeline.load(each)) for each in generations
    }
    first, second = known.values()
    assert [part for part in PARTS if first[part] == second[part]] == []
    home, away = tmp_path / "shop", [tmp_path / "away-0", tmp_path / "away-1"]
    copy_bundle(generations[0], home)
    shutil.copytree(generations[1], away[1])

    def turn(number: int) -> None:
        if how == "copied":
            copy_bundle(generations[number % 2], home, overwrite=True)
        else:  # as somebody's script does, without a word to us
            home.rename(away[(number - 1) % 2])
            away[number % 2].rename(home)
            time.sleep(0.02)

    parse = persistence.Tfidf.parse

    def slowly(saved: bytes) -> Any:
        time.sleep(0.01)  # so that each load meets an exchange
        return parse(saved)

    monkeypatch.setattr(persistence.Tfidf, "parse", slowly)
    seen = []
    with exchanging(turn):
        for _ in range(15):
            loaded = ListingPipeline.load(home)
            assert contents(loaded) == known[loaded.version]
            seen.append(loaded.version)
            trained, by_name_only = load_names(home)
            assert (len(trained), by_name_only[0]) == (3, "Garden > Hammocks")
    assert set(seen) == known.keys()


def test_load_says_at_once_what_is_damaged_for_good(
    generations: list[Path], tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(generations[0], tmp_path / "shop"))
    (broken / "heads.safetensors").write_bytes(b"other")
    started = time.monotonic()
    with pytest.raises(BundleChangedError, match=r"heads\.safetensors must have sha256"):
        ListingPipeline.load(broken)
    assert time.monotonic() - started < bundles.PATIENCE_S / 10


def test_save_of_a_loaded_bundle_takes_no_other_index_along(
    generations: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "shop"
    copy_bundle(generations[0], home)
    loaded = ListingPipeline.load(home)
    copy_bundle(generations[1], home, overwrite=True)
    with pytest.raises(bundles.ShelfsureError, match="index"):
        loaded.save(tmp_path / "mixture")
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_add_categories_keeps_every_writers_category(
    generations: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "shop"
    copy_bundle(generations[0], home)
    names = [f"Kind {number}" for number in range(20)]
    failed: list[BaseException] = []

    def add(name: str) -> None:
        try:
            ListingPipeline.add_categories(home, [name])
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(load_names(home)[1]) == sorted(["Garden > Hammocks", "Of the first", *names])
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_add_categories_undoes_no_training_that_ended_meanwhile(
    generations: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "shop"
    copy_bundle(generations[0], home)
    changes = []

    def change(state: Any) -> Any:
        changes.append(state.version)
        if len(changes) == 1:  # a training that knows nothing of us ends now
            trained = home.with_name("trained")
            shutil.copytree(generations[1], trained)
            home.rename(home.with_name("old"))
            trained.rename(home)
        return ListingPipeline(**vars(state)).with_categories(["Garden > Gnomes"])

    change_bundle(home, RunOptions(), change)
    versions = [open_bundle(each).version for each in generations]
    assert changes == versions
    ours = contents(ListingPipeline.load(home))
    assert ours["index"] == contents(ListingPipeline.load(generations[1]))["index"]
    assert "Garden > Gnomes" in load_names(home)[1]


def test_a_change_gives_up_where_the_bundle_never_stays(
    generations: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "shop"
    copy_bundle(generations[0], home)
    number = 0

    def change(state: Any) -> Any:
        nonlocal number
        number += 1
        shutil.rmtree(home)
        shutil.copytree(generations[number % 2], home)
        return replace(state, facts=dict(state.facts) | {"changed": True})

    with pytest.raises(BundleReplacedError, match=r"replaced 5 times\. Nothing was changed"):
        change_bundle(home, RunOptions(), change)
    assert open_bundle(home).version == open_bundle(generations[1]).version


@pytest.mark.skipif(os.name != "posix", reason="folders can't be locked")
def test_save_waits_for_a_change(generations: list[Path], tmp_path: Path) -> None:
    home = tmp_path / "shop"
    copy_bundle(generations[0], home)
    trained = ListingPipeline.load(generations[1])
    order: list[str] = []

    def save() -> None:
        trained.save(home, overwrite=True)
        order.append("trained")

    thread = threading.Thread(target=save)

    def change(state: Any) -> Any:
        thread.start()
        time.sleep(0.5)
        order.append("changed")
        return state

    change_bundle(home, RunOptions(), change)
    thread.join()
    assert order == ["changed", "trained"]
    np.testing.assert_equal(
        contents(ListingPipeline.load(home)), contents(ListingPipeline.load(generations[1]))
    )
