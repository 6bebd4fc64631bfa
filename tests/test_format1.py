"""What was written before the rooms were arranged anew stays readable; see assets/format1."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import RetrievalConfig, load_config
from shelfsure.embedding.embedder import load_embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.finetuning.config import load_finetune_config
from shelfsure.pipeline.persistence import load_names
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.serving.review.store import ReviewStore
from shelfsure.vision.encoder import PhotoEncoder

ASSETS = Path(__file__).parent / "assets" / "format1"
OPTIONS = RunOptions(device="cpu", runtime="torch")
EXPECTED: dict[str, Any] = json.loads((ASSETS / "expected.json").read_text(encoding="utf-8"))

NEW_FIELDS = {
    "shift": True,
    "audit": True,
    "n_examples": True,
    "category_id": True,
    "n_photos": True,
    "further_photos": True,
    "duplicates": {"__all__": {"mergeable"}},
}
"""Of a verdict, since then."""


def same(found: Any, expected: Any, place: str = "") -> None:
    """Numbers within 1e-4, all else exactly."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-4), place
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), place
        for key in expected:
            same(found[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for n, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{place}[{n}]")
    elif isinstance(expected, str):
        assert found == expected.replace("{fixtures}", str(ASSETS)), place
    else:
        assert found == expected, place


@pytest.mark.parametrize("name", EXPECTED["verdicts"])
def test_a_bundle_of_format_1_answers_as_ever(name: str, tmp_path: Path) -> None:
    pipeline = ListingPipeline.load(ASSETS / name, OPTIONS)
    trained, by_name_only = load_names(ASSETS / name)
    names = pipeline.retrieval.names if pipeline.retrieval else ()
    assert set(pipeline.class_names) == set(trained)
    assert set(names) - set(trained) == set(by_name_only)
    listings = read_catalog(ASSETS / "uploads.csv").listings
    verdicts = pipeline.predict(listings)
    expected = EXPECTED["verdicts"][name]
    assert [verdict.listing_id for verdict in verdicts] == list(expected)
    for verdict in verdicts:
        said = verdict.model_dump(mode="json", exclude=NEW_FIELDS)
        known = expected[verdict.listing_id]
        if verdict.original:  # since then it is held, with the reason
            assert said["decision"] == "review"
            assert "already" in said["reasons"][0]
            known = known | {name: said[name] for name in ("decision", "reasons", "sure_of")}
        same(said, known, verdict.listing_id)
    saved = pipeline.save(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "memory.json").exists()
    again = ListingPipeline.load(tmp_path / "bundle", OPTIONS)
    version = {"model_version": saved.version}
    assert again.predict(listings) == [v.model_copy(update=version) for v in verdicts]


def test_an_index_of_format_1_is_read_searched_and_changed(
    tmp_path: Path,
) -> None:
    embedder = load_embedder(load_config(), OPTIONS)
    shutil.copytree(ASSETS / "index", tmp_path / "index")
    index = ListingIndex.open(tmp_path / "index")
    expected = EXPECTED["index"]
    assert sorted(index.ids()) == expected["ids"]
    assert index.info().n_listings == expected["n_listings"]
    queries = {
        "photo": ("photos/copy.jpg", None),
        "photo and title": ("photos/plate.jpg", "striped plate"),
        "title": (None, "mug 330 ml"),
    }
    assert set(queries) == set(expected["searches"])
    for name, (photo, title) in queries.items():
        found = embedder.embed(
            [Listing("query", title, ASSETS / photo if photo else None)], description=False
        )
        views = {"photo": found.photo, "title": found.title}
        near = index.search({key: v for key, v in views.items() if v.present.any()}, 5)[0]
        same([asdict(each) | {"image": None} for each in near], expected["searches"][name], name)
    assert index.remove([expected["ids"][0]]) == 1


def test_a_review_database_of_format_1_is_read(tmp_path: Path) -> None:
    shutil.copytree(ASSETS / "reviews", tmp_path / "reviews")
    store = ReviewStore(tmp_path / "reviews" / "reviews.sqlite")
    expected = EXPECTED["reviews"]
    for item in expected["items"]:
        found = store.item(item["item_id"])
        assert found.listing.listing_id == item["listing"]["listing_id"]
        assert found.verdict.model_dump(mode="json", exclude=NEW_FIELDS) == item["verdict"]
    assert len(store.history()) == len(expected["history"])
    store.label(expected["items"][0]["item_id"], "Kitchen > Plates", "Cleo")
    assert len(store.history()) == len(expected["history"]) + 1


@pytest.mark.parametrize("name", ["starter.yaml", "full.yaml"])
def test_a_configuration_of_format_1_says_what_it_said(name: str) -> None:
    said = load_config(ASSETS / "configs" / name).model_dump()
    new = {"for": "new_groups", "min_examples": 5}
    assert {name: said["accept"].pop(name) for name in new} == new
    expected = EXPECTED["configs"][name]
    old = RetrievalConfig.old_names
    expected["retrieval"] = {old.get(k, k): v for k, v in expected["retrieval"].items()}
    assert said == expected


def test_a_finetuning_configuration_of_format_1_says_what_it_said() -> None:
    said = load_finetune_config(ASSETS / "configs" / "finetune.yaml").model_dump(mode="json")
    assert said == EXPECTED["configs"]["finetune.yaml"]


def test_a_fine_tuned_encoder_of_format_1_is_loaded_with_its_fold_encoders() -> None:
    encoder = PhotoEncoder.load(f"local-dir:{ASSETS / 'encoder'}", device="cpu")
    assert len(encoder.fold_encoders) == 2
    assert len(encoder.seen) > 20
