from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.core.config import Config
from shelfsure.core.errors import TrainingError
from shelfsure.embedding.run_options import RunOptions
from shelfsure.exploration.audit import audit_catalog
from shelfsure.exploration.judged_labels import judge_labels, label_findings
from shelfsure.exploration.review_items import review_items
from shelfsure.pipeline.training import fit_classifier, prepare


def test_audit_catalog_finds_the_planted_label_first(tiny_audit, tiny_catalog):
    first = tiny_audit.findings[0]
    rows = {
        one.listing_id: row
        for row, one in zip(tiny_catalog.rows, tiny_catalog.listings, strict=True)
    }
    assert (first.kind, first.listing_id) in {("wrong_label", "t04"), ("wrong_label", "copy")}
    labels = {f.listing_id: f for f in tiny_audit.findings if f.kind == "wrong_label"}
    assert labels["t04"].suggested == "Home > Rugs"
    assert labels["t04"].row == rows["t04"]
    assert "neighbours say Home > Rugs" in labels["t04"].reason


def test_audit_catalog_finds_one_product_under_two_categories(tiny_audit):
    (found,) = [f for f in tiny_audit.findings if f.kind == "duplicate_conflict"]
    assert (found.listing_id, found.category, found.suggested) == (
        "copy",
        "Toys > Kites",
        "Home > Lamps",
    )
    assert tiny_audit.n_duplicates == 1


def test_audit_catalog_finds_leaks_between_parts_and_into_the_test_file(tiny_audit, tiny_catalog):
    leaks = [f for f in tiny_audit.findings if f.kind == "leak"]
    same_id = [f.listing_id for f in leaks if "this id" in f.reason]
    assert same_id == [one.listing_id for one in tiny_catalog.listings[1:3]]
    assert [f.listing_id for f in leaks if "again in the test file is it again" in f.reason] == [
        tiny_catalog.listings[0].listing_id
    ]


def test_audit_catalog_names_photos_that_cannot_be_used(tiny_audit):
    unusable = [f for f in tiny_audit.findings if f.kind == "unusable_photo"]
    assert [f.listing_id for f in unusable] == ["bad-photo"]


def test_audit_catalog_advises_on_each_category(tiny_audit):
    assert [each.name for each in tiny_audit.categories] == [
        "Home > Lamps",
        "Home > Rugs",
        "Toys > Kites",
    ]
    assert tiny_audit.left_out == {"Garden > Hoses": 2}
    assert sum(each.n_wrong for each in tiny_audit.categories) >= 1
    for each in tiny_audit.categories:
        assert each.forecast is not None
        assert each.forecast.gain_low <= each.forecast.gain <= each.forecast.gain_high


def test_audit_catalog_needs_two_categories(tiny_catalog, fake_embedder):
    with pytest.raises(TrainingError, match="at least 2 categories with 90"):
        audit_catalog(tiny_catalog, Config(levels=2, min_examples=90), embedder=fake_embedder())


def test_audit_catalog_takes_options_or_an_embedder(tiny_catalog, fake_embedder):
    with pytest.raises(ValueError, match="Give it or options"):
        audit_catalog(tiny_catalog, Config(), RunOptions(), embedder=fake_embedder())


def test_review_items_give_each_doubted_listing_once(tiny_audit):
    items = list(review_items(tiny_audit))
    ids = [verdict.listing_id for _, verdict in items]
    assert len(ids) == len(set(ids))
    assert {"t04", "copy"} <= set(ids)
    verdict = next(verdict for _, verdict in items if verdict.listing_id == "t04")
    assert verdict.decision == "review"
    assert verdict.category == "Home > Rugs"
    assert sum(guess.probability for guess in verdict.top_k) == pytest.approx(1.0)
    assert "Labelled Home > Lamps" in verdict.reasons[0]


@pytest.mark.realdata
def test_judge_labels_finds_planted_labels_of_real_titles(real_data: Path, fake_embedder):
    """By the words of titles alone, which takes seconds; with more evidence more is found."""
    catalog = read_catalog(real_data / "flipkart/listings.csv", need_category=True, photos=False)
    rng = np.random.default_rng(0)
    names = sorted({category_prefix(one.category or "", 1) for one in catalog.listings})
    planted = set(rng.choice(len(catalog.listings), 39, replace=False).tolist())
    listings = []
    for place, one in enumerate(catalog.listings):
        others = [name for name in names if name != category_prefix(one.category or "", 1)]
        category = str(rng.choice(others)) if place in planted else one.category
        listings.append(replace(one, category=category, description=None))
    config = Config(levels=1, min_examples=5)
    catalog = replace(catalog, listings=tuple(listings))
    catalog, data, _ = prepare(catalog, fake_embedder(), config)
    judged = judge_labels(data, fit_classifier(data, config)[1])
    rows = {catalog.rows[place] for place in planted}
    findings = label_findings(judged, catalog, data)
    found = {f.row for f in findings if f.kind == "wrong_label"}
    assert len(found & rows) >= 0.75 * len(rows)
    assert len(found & rows) >= 0.75 * len(found)
