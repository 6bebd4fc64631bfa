"""A pipeline calibrated anew: on other photos, with the promise about these."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError, TrainingError
from shelfsure.fusion.views import DESCRIPTION, PHOTO, TITLE
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.recalibration import recalibrate, training_listings


def darker(pipeline: ListingPipeline, folder: Path, n_copies: int = 2) -> Catalog:
    """The catalogue's listings as another photographer takes them."""
    assert pipeline.catalog is not None
    rng = np.random.default_rng(7)
    folder.mkdir()
    listings = []
    for listing in pipeline.catalog.listings:
        if not isinstance(listing.image, Path):
            continue
        pixels = np.asarray(Image.open(listing.image).convert("RGB"), dtype=float)
        for copy in range(n_copies):
            changed = np.clip(0.5 * pixels + rng.normal(0, 30, pixels.shape), 0, 255)
            photo = folder / f"{listing.listing_id}-{copy}.png"
            Image.fromarray(changed.astype(np.uint8)).save(photo)
            listings.append(
                Listing(photo.stem, f"{listing.title} {copy}", photo, category=listing.category)
            )
    return Catalog.from_listings(listings, need_category=True)


def test_recalibrate_makes_a_bundle_of_the_same_categories_that_accepts_the_new_kind(
    tiny_trained: ListingPipeline, tmp_path: Path
) -> None:
    new = darker(tiny_trained, tmp_path / "new")
    saved = tiny_trained.save(tmp_path / "old")
    calibrated = recalibrate(saved, new)
    assert calibrated.class_names == saved.class_names
    assert calibrated.facts["recalibrated"]["from"] == saved.version
    assert calibrated.facts["recalibrated"]["n_listings"] == len(new.listings)
    again = calibrated.save(tmp_path / "new bundle")
    assert again.version not in {"", saved.version}
    assert "Calibrated anew on" in (tmp_path / "new bundle" / "README.md").read_text()
    rules = again.rules.for_pattern(frozenset({PHOTO, TITLE}))
    assert rules[-1].threshold <= 1
    verdicts = again.predict(new.listings, duplicates=False)
    right = [v.category == x.category for v, x in zip(verdicts, new.listings, strict=True)]
    assert np.mean(right) > 0.9
    assert sum(v.decision == "accept" for v in verdicts) > len(verdicts) / 2
    assert sum(v.decision == "out_of_catalogue" for v in verdicts) <= 0.08 * len(verdicts)


def test_evidence_that_the_new_listings_lack_isnt_accepted_on_any_more(
    tiny_trained: ListingPipeline, tmp_path: Path
) -> None:
    calibrated = recalibrate(tiny_trained, darker(tiny_trained, tmp_path / "new"))
    assert not calibrated.rules.for_pattern(frozenset({DESCRIPTION}))
    assert tiny_trained.rules.for_pattern(frozenset({DESCRIPTION}))


def test_recalibrate_counts_the_sellers_of_a_group_column(
    tiny_trained: ListingPipeline, tmp_path: Path
) -> None:
    new = darker(tiny_trained, tmp_path / "new")
    sellers = [replace(x, group=f"seller {n % 6}") for n, x in enumerate(new.listings)]
    calibrated = recalibrate(tiny_trained, replace(new, listings=tuple(sellers)))
    assert calibrated.facts["grouping"] == {"source": "column", "n_groups": 6}
    assert calibrated.rules.for_pattern(frozenset({PHOTO}))[-1].threshold > 1  # six show nothing


def test_recalibrate_needs_listings_of_known_categories(tiny_trained: ListingPipeline) -> None:
    names = tiny_trained.class_names
    few = [Listing(str(n), f"lamp {n}", category=names[n % 3]) for n in range(29)]
    with pytest.raises(TrainingError, match=r"needs 30 listings .* got 29 of 29"):
        recalibrate(tiny_trained, Catalog.from_listings(few, need_category=True))


def test_recalibrate_says_which_fusion_it_needs(tiny_trained: ListingPipeline) -> None:
    stacked = replace(tiny_trained, classifier=object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="fusion: pool"):
        recalibrate(stacked, Catalog((), ()))


def test_training_listings_are_what_a_bundle_keeps_before_and_after_it_is_saved(
    tiny_trained: ListingPipeline, tmp_path: Path
) -> None:
    column = {name: n for n, name in enumerate(tiny_trained.class_names)}
    saved = tiny_trained.save(tmp_path / "bundle")
    assert tiny_trained.catalog is not None
    true = [column[x.category] for x in tiny_trained.catalog.listings if x.category in column]
    for pipeline in (tiny_trained, saved):
        found = training_listings(pipeline, column)
        assert found.keys() == {PHOTO, f"{TITLE}_embedding"}
        assert sorted(found[PHOTO].labels) == sorted(true)  # and none of the rare category
        # the head that training fitted on them knows them by heart
        head = pipeline.classifier.heads[PHOTO]
        answers = head.logits(found[PHOTO].features).argmax(axis=1)
        assert (answers == found[PHOTO].labels).all()
    assert training_listings(replace(saved, retrieval=None), column) == {}
    assert saved.retrieval is not None
    some = saved.retrieval.some_listings(10)
    assert some is not None
    assert len(some.listings) == 10
