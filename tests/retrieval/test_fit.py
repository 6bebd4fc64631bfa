"""What training keeps of a catalogue: which kinds, which gate, which categories by name."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing, category_levels, category_prefix
from shelfsure.catalog.photo_listings import photos_in
from shelfsure.core.config import RetrievalConfig
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.grouping import Grouping
from shelfsure.embedding.training_data import TrainingData
from shelfsure.pipeline.features import build_views
from shelfsure.retrieval.fit import finest_labels, fit_retrieval, min_of_kind
from shelfsure.retrieval.model import RetrievalModel

MakeEmbedder = Callable[..., Embedder]


@pytest.fixture(scope="module")
def listings(drawn_shop: Path) -> tuple[Listing, ...]:
    return read_catalog(drawn_shop / "catalogue.csv").listings


def training_data(listings: Sequence[Listing], embedder: Embedder) -> TrainingData:
    """Two levels of the category path; those with fewer than five listings are left out."""
    embedded = embedder.embed(listings)
    categories = [category_prefix(x.category or "", 2) for x in listings]
    counts = Counter(categories)
    return TrainingData(
        embedded=embedded,
        views=build_views(embedded, {}),
        categories=categories,
        class_names=tuple(name for name, n in counts.items() if n >= 5),
        left_out={name: n for name, n in counts.items() if n < 5},
        grouping=Grouping(np.arange(len(listings)), np.arange(len(listings)), "duplicates"),
        groups=np.arange(len(listings)),
        folds=np.arange(len(listings)) % 5,
    )


def fitted(
    listings: Sequence[Listing], embedder: Embedder, outside: Sequence[Listing] = (), **config: bool
) -> RetrievalModel:
    data = training_data(listings, embedder)
    return fit_retrieval(data, embedder, RetrievalConfig(**config), outside)


def test_min_of_kind_is_five_of_those_that_a_detector_learns_from() -> None:
    assert [min_of_kind(n) for n in (0, 9_999, 10_000, 142_000)] == [5, 5, 10, 140]


def test_finest_labels_takes_the_deepest_category_that_is_large_enough() -> None:
    categories = ["A > B > C"] * 5 + ["A > B > D"] * 2 + ["A > E"] * 3 + ["F > G"] * 4 + ["H"]
    c, b, a, nothing = (finest_labels(categories, 5)[i] for i in (0, 5, 7, 10))
    assert len({c, b, a, nothing}) == 4
    expected = [c] * 5 + [b] * 2 + [a] * 3 + [nothing] * 5
    assert finest_labels(categories, 5).tolist() == expected


PATH = st.lists(st.sampled_from("AB"), min_size=1, max_size=3).map(" > ".join)


@given(st.lists(PATH, min_size=1, max_size=30), st.integers(1, 8))
def test_finest_labels_keeps_its_promises(categories: list[str], min_examples: int) -> None:
    labels = finest_labels(categories, min_examples)
    n_below = Counter(
        category_prefix(c, level)
        for c in categories
        for level in range(1, len(category_levels(c)) + 1)
    )
    assert sorted(set(labels.tolist())) == list(range(labels.max() + 1))
    for one, label in zip(categories, labels, strict=True):
        for other, its in zip(categories, labels, strict=True):
            if one == other:
                assert label == its
            if one != other and min(n_below[one], n_below[other]) >= min_examples:
                assert label != its
    # a kind holds what shares the deepest large enough category, or what has none
    for label in set(labels.tolist()):
        own = [c for c, its in zip(categories, labels, strict=True) if its == label]
        large = [
            max((n for n in range(1, 4) if n_below[category_prefix(c, n)] >= min_examples
                 and n <= len(category_levels(c))), default=0)
            for c in own
        ]  # fmt: skip
        assert len({category_prefix(c, n) for c, n in zip(own, large, strict=True)}) == 1


@given(st.lists(PATH, min_size=1, max_size=20), st.integers(1, 8), st.randoms())
def test_finest_labels_follows_a_permutation(
    categories: list[str], min_examples: int, random: "np.random.Generator"
) -> None:
    order = list(range(len(categories)))
    random.shuffle(order)
    shuffled = finest_labels([categories[i] for i in order], min_examples)
    np.testing.assert_array_equal(shuffled, finest_labels(categories, min_examples)[order])


def test_fit_retrieval_keeps_detector_listings_and_every_category(
    listings: tuple[Listing, ...], naming_embedder: MakeEmbedder
) -> None:
    retrieval = fitted(listings, naming_embedder())
    assert retrieval.names == (
        "Home > Lamps", "Home > Rugs", "Toys > Kites", "Garden > Hammocks",
    )  # fmt: skip
    assert retrieval.ood_detector is not None
    assert set(retrieval.ood_detector.scorers) == {
        "photo",
        "title_embedding",
        "photo+title_embedding",
    }
    assert retrieval.training_listings is not None
    assert [x.listing_id for x in retrieval.training_listings.listings] == [
        x.listing_id for x in listings
    ]


def test_fit_retrieval_fits_how_much_a_title_counts(
    listings: tuple[Listing, ...], naming_embedder: MakeEmbedder
) -> None:
    turned = [replace(x, category=listings[i - 1].category) for i, x in enumerate(listings)]
    right, wrong = (fitted(rows, naming_embedder()) for rows in (listings, turned))
    assert right.space is not None
    assert right.zero_shot is not None
    assert wrong.zero_shot is not None
    prior = right.space.slopes.title_beside_photo
    assert right.zero_shot.slopes.title_beside_photo > prior
    assert wrong.zero_shot.slopes.title_beside_photo < 0.2 * prior


def test_fit_retrieval_has_no_gate_for_a_tiny_catalogue_but_says_so(
    listings: tuple[Listing, ...], naming_embedder: MakeEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        retrieval = fitted(listings[:9], naming_embedder())
    assert retrieval.ood_detector is None
    assert retrieval.zero_shot is not None
    (said,) = [r.getMessage() for r in caplog.records]
    assert said.startswith("No out-of-catalogue detector")
    assert "among 9" in said


def test_fit_retrieval_has_no_zero_shot_without_class_names_but_says_so(
    listings: tuple[Listing, ...], fake_embedder: MakeEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        retrieval = fitted(listings, fake_embedder())
    assert (retrieval.space, retrieval.zero_shot, retrieval.names) == (None, None, ())
    assert retrieval.ood_detector is not None
    assert ["no zero-shot fallback" in r.getMessage() for r in caplog.records] == [True]


def test_fit_retrieval_keeps_no_listings_if_told_so(
    listings: tuple[Listing, ...], fake_embedder: MakeEmbedder
) -> None:
    assert fitted(listings, fake_embedder(), index=False).training_listings is None


def test_fit_retrieval_learns_from_outside_photos_but_not_from_their_titles(
    listings: tuple[Listing, ...], fake_embedder: MakeEmbedder, drawn_shop: Path
) -> None:
    outside = photos_in(drawn_shop / "outside")
    titled = [replace(x, title=f"fire engine {i}") for i, x in enumerate(outside)]
    embedder = fake_embedder()
    plain, exposed, named = (
        fitted(listings, embedder, strangers).ood_detector for strangers in ((), outside, titled)
    )
    assert plain is not None
    assert exposed is not None
    assert named is not None
    seen = build_views(embedder.embed([*outside, *listings[:6]]), {})
    mine = {key: view for key, view in seen.items() if isinstance(view.features, np.ndarray)}
    for one, other in ((exposed, plain), (named, exposed)):
        np.testing.assert_allclose(
            one.view_scores(mine)["title_embedding"],
            other.view_scores(mine)["title_embedding"],
        )
    scores = {key: ood_detector.view_scores(mine)["photo"] for key, ood_detector in
              (("plain", plain), ("exposed", exposed), ("named", named))}  # fmt: skip
    np.testing.assert_allclose(scores["named"], scores["exposed"])
    assert not np.allclose(scores["plain"], scores["exposed"])
