"""The bundle inside the package, and the sample catalogue around it."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shelfsure.pipeline.starter as starter
from safetensors.numpy import load_file
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing, category_prefix
from shelfsure.core.arrays import widened
from shelfsure.core.config import Config, RetrievalConfig
from shelfsure.core.errors import CacheError
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.bundle import open_bundle
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.starter import (
    STARTER_BUNDLE,
    starter_name,
    starter_pipeline,
    starter_shop,
)
from shelfsure.text.tfidf import Tfidf

MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("starter")


@pytest.fixture(autouse=True)
def _small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "N_PER_CATEGORY", 4)
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(home))


@pytest.fixture
def pipeline() -> ListingPipeline:
    return starter_pipeline(RunOptions(device="cpu"))


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError(f"{name} was called again")

    monkeypatch.setattr(starter, name, refuse)


def test_starter_bundle_is_small_and_holds_no_listing() -> None:
    bundle = open_bundle(STARTER_BUNDLE)
    files = [path for path in STARTER_BUNDLE.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors"}
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    facts = bundle.read_json("model.json")["facts"]
    for path in STARTER_BUNDLE.glob("*.safetensors"):
        for name, array in load_file(path).items():
            # one row a listing would give listings away; calibration scores are bare numbers
            assert array.ndim < 2 or len(array) < facts["n_listings"] or len(array) in {1000, 1280}
            assert "reference" not in name
    for path in files:
        if path.suffix != ".safetensors":
            assert not re.search(
                r'"(/|[A-Z]:\\)\w{2,}[/\\]\w{2,}', path.read_text(encoding="utf-8")
            )
    card = (STARTER_BUNDLE / "README.md").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in card
    assert "PromptCloud" in card


def test_starter_pipeline_unpacks_once_and_then_finds_it(
    pipeline: ListingPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "unpack_sample")
    monkeypatch.setattr(Embedder, "embed", None)
    again = starter_pipeline(RunOptions(device="cpu"))
    assert again.retrieval is not None
    assert pipeline.retrieval is not None
    assert again.retrieval.index is not None
    assert pipeline.retrieval.index is not None
    assert again.retrieval.index.ids() == pipeline.retrieval.index.ids()
    records = again.retrieval.index.records(again.retrieval.index.ids()).values()
    names = Counter(record.category for record in records)
    assert names == {"Kitchen & Dining": 12, "Home Decor & Festive Needs": 12, "Computers": 4}


def test_starter_pipeline_shows_neighbours_of_the_category_it_answers_or_none(
    pipeline: ListingPipeline,
) -> None:
    listings = [
        each for each in read_catalog(starter_shop() / "catalogue.csv").listings if each.image
    ]
    verdicts = pipeline.predict([replace(each, listing_id="mine") for each in listings])
    assert all(verdict.category in pipeline.class_names for verdict in verdicts)
    assert {verdict.model_version for verdict in verdicts} == {open_bundle(STARTER_BUNDLE).version}
    near = [(verdict, each) for verdict in verdicts for each in verdict.neighbours]
    assert near
    assert all(each.category == verdict.category for verdict, each in near)
    known = [
        (listing, verdict)
        for listing, verdict in zip(listings, verdicts, strict=True)
        if starter_name(listing.category or "") == verdict.category
    ]
    assert len(known) >= 4
    for listing, verdict in known:
        assert verdict.neighbours[0].listing_id == listing.listing_id
        assert listing.listing_id in {copy.listing_id for copy in verdict.duplicates}


def test_starter_pipeline_knows_a_watch_by_its_words(pipeline: ListingPipeline) -> None:
    [verdict] = pipeline.predict([Listing("x", title="Sonata analog watch for men, steel strap")])
    assert verdict.category == "Watches"
    assert verdict.neighbours == ()  # none of the sample's listings is one


def test_starter_pipeline_mends_what_was_tidied_away(pipeline: ListingPipeline, home: Path) -> None:
    assert pipeline.retrieval is not None
    shop = starter_shop()
    next(shop.glob("photos/*.jpg")).unlink()
    mended = starter_pipeline(RunOptions(device="cpu"))
    assert all(item.image for item in read_catalog(shop / "catalogue.csv").listings if item.image)
    [manifest] = home.rglob("index/*/manifest.json")
    manifest.write_text("{}")
    rebuilt = starter_pipeline(RunOptions(device="cpu"))
    for one in (mended, rebuilt):
        assert one.retrieval is not None
        assert one.retrieval.index is not None
        assert pipeline.retrieval.index is not None
        assert one.retrieval.index.ids() == pipeline.retrieval.index.ids()


def test_starter_shop_says_where_it_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"file/starter-.*SHELFSURE_CACHE_DIR"):
        starter_shop()


def test_train_keeps_nothing_of_a_single_listing_if_asked(
    drawn_shop: Path, tmp_path: Path, naming_embedder: Callable[..., Embedder]
) -> None:
    catalog = read_catalog(drawn_shop / "catalogue.csv", need_category=True)
    config = Config(levels=2, retrieval=RetrievalConfig(index=False, ood_detector="statistics"))
    pipeline = ListingPipeline.fit(catalog, config, embedder=naming_embedder())
    saved = pipeline.save(tmp_path / "bundle")
    assert saved.retrieval is not None
    assert saved.retrieval.index is None
    assert saved.retrieval.ood_detector is not None
    methods = {
        m for scorer in saved.retrieval.ood_detector.scorers.values() for m in scorer.detectors
    }
    assert methods == {"vim"}
    stored = load_file(tmp_path / "bundle" / "retrieval.safetensors")
    per_listing = {name for name, array in stored.items() if len(array) == len(catalog.listings)}
    told = {"ood_scores", "categories", "weights", "uncertainty"}
    assert {name.rpartition("/")[2] for name in per_listing} <= told


def test_tfidf_forgets_words_of_too_few_texts() -> None:
    texts = ["red mug", "red cup", "red zyx-991"]
    kept = json.dumps([v.get_feature_names_out().tolist() for v in
                       Tfidf.fit(texts, min_texts=2).vectorizers])  # fmt: skip
    assert "red" in kept
    assert "zyx" not in kept
    assert "991" not in kept


def test_widened_computes_in_single_precision_and_leaves_the_rest_alone() -> None:
    half, counts = np.array([[0.1, 1000.0]], np.float16), np.arange(6)
    read = widened({"half": half, "counts": counts})
    assert read["half"].dtype == np.float32
    np.testing.assert_array_equal(read["half"], half)
    assert read["counts"] is counts


@pytest.mark.realdata
def test_starter_pipeline_sorts_real_listings_and_refuses_outside_photos(
    pipeline: ListingPipeline, real_data: Path
) -> None:
    folder = real_data / "flipkart"
    listings = read_catalog(folder / "listings.csv", image_root=folder).listings[::80]
    outside = [
        Listing(p.stem, image=p) for p in sorted((real_data / "outside").glob("*.jpg"))[::40]
    ]
    assert len(listings) > 5
    assert len(outside) > 5
    verdicts = pipeline.predict(listings, duplicates=False)
    right = [v.category == category_prefix(x.category or "", 1) for v, x in
             zip(verdicts, listings, strict=True)]  # fmt: skip
    assert np.mean(right) >= 0.8
    strangers = pipeline.predict(outside, duplicates=False)
    assert {verdict.decision for verdict in strangers} == {"out_of_catalogue"}
