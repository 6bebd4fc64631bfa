"""A whole catalogue: numbers, what is missing, and what can't be used."""

from dataclasses import replace

import numpy as np
import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.core.errors import CatalogError
from shelfsure.exploration.features import families
from shelfsure.exploration.maps import explore
from shelfsure.exploration.maps.explore import explore_catalog
from shelfsure.exploration.maps.overview import imbalance
from shelfsure.exploration.maps.probe import interval


def test_colours_tell_the_tiny_categories_apart(tiny_exploration) -> None:
    looks = {one.name: one for one in tiny_exploration.looks}
    assert list(looks) == [
        "tfidf", "word-vectors", "sentence-encoder", "colour", "sift", "photo-encoder",
        "photo-encoder+tfidf",
    ]  # fmt: skip
    assert not tiny_exploration.skipped
    encoder = looks["photo-encoder"]
    assert encoder.kmeans.purity == 1
    assert encoder.right > 0.95
    assert 0.8 < encoder.low < encoder.right <= encoder.high
    assert encoder.map_silhouette > encoder.silhouette > 0.2
    assert encoder.bytes_each == 4 * encoder.dim
    assert looks["photo-encoder+tfidf"].cpu_s_each == pytest.approx(
        encoder.cpu_s_each + looks["tfidf"].cpu_s_each
    )


def test_a_listing_without_a_photo_is_on_no_map_of_photos(tiny_exploration) -> None:
    looks = {one.name: one for one in tiny_exploration.looks}
    without = [row for row, c in enumerate(tiny_exploration.material.categories) if "Garden" in c]
    assert len(without) == 2
    assert np.isnan(looks["photo-encoder"].maps["tsne"][without]).all()
    assert np.isfinite(looks["tfidf"].maps["tsne"]).all()
    assert (looks["photo-encoder"].n, looks["tfidf"].n) == (60, 62)
    assert (looks["tfidf"].answer[without] == -1).all()  # too few to be compared
    assert np.isnan(looks["tfidf"].probability[without]).all()


def test_a_bad_photo_is_rejected_with_its_reason(tiny_exploration) -> None:
    reasons = {one.listing_id: one.reason for one in tiny_exploration.material.catalog.rejected}
    assert "unusable photo" in reasons["bad-photo"]


def test_categories_are_described_the_largest_first(tiny_exploration) -> None:
    whole, first, *_, rare = tiny_exploration.categories
    assert (whole.name, whole.n, whole.no_photo) == ("all", 62, 2)
    assert (first.n, first.photo_px, first.no_description) == (20, 48, 0)
    assert first.right > 0.9
    assert (rare.name, rare.n, rare.right) == ("Garden > Hoses", 2, None)
    closest = tiny_exploration.alike
    assert len(closest) == 3
    assert closest[0].similarity == max(pair.similarity for pair in closest) < 1


def test_an_interval_counts_groups_not_listings() -> None:
    hits = np.repeat([True, False, True, True], 25)
    alone = interval(hits, np.arange(100))
    together = interval(hits, np.repeat(np.arange(4), 25))
    assert alone == pytest.approx((0.658, 0.826), abs=0.01)  # Jeffreys, 75 of 100
    assert together == pytest.approx((0.268, 0.973), abs=0.02)  # 3 of 4
    assert interval(hits[:25], np.arange(25))[1] == 1


def test_imbalance_of_uneven_categories() -> None:
    ratio, equal = imbalance([3, 1])
    assert ratio == 3
    assert equal == pytest.approx((4 / 3) ** 0.75 * 4**0.25)


def test_without_labels_clusters_are_named_by_their_words(tiny_folder, fake_embedder) -> None:
    catalog = read_catalog(tiny_folder / "catalogue.csv")
    bare = [replace(one, category=None) for one in catalog.listings]
    found = explore_catalog(
        replace(catalog, listings=tuple(bare)),
        embedder=fake_embedder(),
        names=["tfidf", "colour"],
        maps=False,
    )
    for one in found.looks:
        assert (one.right, one.silhouette, one.kmeans, one.density) == (None,) * 4
        assert one.n_clusters > 1
        assert len(found.cluster_words[one.name]) == one.n_clusters
    assert any("lamp" in words or "rug" in words for words in found.cluster_words["tfidf"])
    assert [one.name for one in found.categories] == ["all"]
    assert not found.pairs


def test_what_one_family_cannot_do_ends_nothing(tiny_folder, fake_embedder, monkeypatch) -> None:
    def fail(_: object) -> None:
        raise MemoryError("no room for colours")

    colour, *others = families.DESCRIBED
    monkeypatch.setattr(families, "DESCRIBED", (replace(colour, describe=fail), *others))
    catalog = read_catalog(tiny_folder / "catalogue.csv")
    names = ["colour", "clip-photo", "gabor", "colour+gabor"]
    found = explore_catalog(catalog, embedder=fake_embedder(), names=names, maps=False)
    assert [one.name for one in found.looks] == ["gabor"]
    assert "no room for colours" in found.skipped["colour"]
    assert "conse" in found.skipped["clip-photo"]
    assert "no room for colours" in found.skipped["colour+gabor"]


def test_a_umap_that_fails_costs_only_its_own_map(tiny_folder, fake_embedder, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no UMAP today")

    monkeypatch.setattr(explore, "has_umap", lambda: True)
    monkeypatch.setattr(explore, "_umap", fail)
    catalog = read_catalog(tiny_folder / "catalogue.csv")
    found = explore_catalog(catalog, embedder=fake_embedder(), names=["colour"])
    assert found.skipped == {"colour on a UMAP map": "no UMAP today"}
    assert set(found.looks[0].maps) == {"tsne", "pca"}


def test_a_catalogue_that_no_family_can_use_is_an_error(fake_embedder) -> None:
    catalog = Catalog.from_listings([Listing("a", title="lamp"), Listing("b", title="rug")])
    with pytest.raises(CatalogError, match=r"hog: no listing has a photo"):
        explore_catalog(catalog, Config(), embedder=fake_embedder(), names=["hog"])
