"""Splits are partitions that keep groups whole and categories in proportion."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.catalog.splits import duplicate_groups, group_folds, split_indices

FRACTIONS = {"train": 0.6, "calibration": 0.2, "test": 0.2}
ROWS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 15)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 5), train=st.sampled_from([0.1, 0.5, 0.8]))
def test_split_indices_is_a_partition_of_whole_groups(
    rows: list[tuple[str, int]], seed: int, train: float
) -> None:
    categories, groups = [c for c, _ in rows], np.array([g for _, g in rows])
    fractions = {"test": (1 - train) / 2, "train": train, "calibration": (1 - train) / 2}
    parts = split_indices(categories, groups, fractions, seed)
    assert list(parts) == list(fractions)
    assert np.sort(np.concatenate(list(parts.values()))).tolist() == list(range(len(rows)))
    part_of = {place: name for name, places in parts.items() for place in places.tolist()}
    assert len({(groups[place], name) for place, name in part_of.items()}) == len(set(groups))
    assert {categories[place] for place in parts["train"]} == set(categories)
    again = split_indices(categories, groups, fractions, seed)
    assert all((again[name] == parts[name]).all() for name in parts)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 5), n_folds=st.integers(2, 10))
def test_group_folds_keeps_groups_whole_and_no_fold_empty(
    rows: list[tuple[str, int]], seed: int, n_folds: int
) -> None:
    categories, groups = [c for c, _ in rows], np.array([g for _, g in rows])
    n_groups = len(set(groups.tolist()))
    if n_folds > n_groups:
        with pytest.raises(ValueError, match=f"{n_groups}, but is {n_folds}"):
            group_folds(categories, groups, n_folds, seed)
        return
    folds = group_folds(categories, groups, n_folds, seed)
    assert set(folds.tolist()) == set(range(n_folds))
    assert len(set(zip(groups.tolist(), folds.tolist(), strict=True))) == n_groups
    assert (folds == group_folds(categories, groups, n_folds, seed)).all()


@pytest.mark.parametrize("seed", range(8))
def test_group_folds_leaves_no_fold_empty_beside_a_giant_group(seed: int) -> None:
    categories = ["a"] * 1000 + ["b", "c", "d"]
    groups = np.array([0] * 1000 + [1, 2, 3])
    assert sorted(np.bincount(group_folds(categories, groups, 4, seed))) == [1, 1, 1, 1000]


def realistic(rng: np.random.Generator, n: int) -> tuple[list[str], np.ndarray]:
    """Zipf-like categories, down to one listing each, and one listing in ten a duplicate."""
    categories = [f"c{min(c, 300)}" for c in rng.zipf(1.3, size=n)]
    groups = np.arange(n)
    for place in np.flatnonzero(rng.random(n) < 0.1):
        twins = [k for k in range(max(0, place - 200), place) if categories[k] == categories[place]]
        groups[place] = groups[twins[-1]] if twins else place
    return categories, groups


@pytest.mark.parametrize("n", [300, 3000])
def test_split_indices_hits_the_fractions_overall_and_in_each_category(
    rng: np.random.Generator, n: int
) -> None:
    categories, groups = realistic(rng, n)
    largest_group = np.bincount(groups).max()
    parts = split_indices(categories, groups, FRACTIONS, seed=3)
    counts = {name: Counter(categories[k] for k in places) for name, places in parts.items()}
    for name, fraction in FRACTIONS.items():
        assert len(parts[name]) / n == pytest.approx(fraction, abs=0.03)
        for category, total in Counter(categories).items():
            if total >= 20:
                off = abs(counts[name][category] - fraction * total)
                assert off <= max(3, largest_group), (name, category)


def test_group_folds_spreads_each_category_evenly(rng: np.random.Generator) -> None:
    categories, groups = realistic(rng, 2000)
    folds = group_folds(categories, groups, 5, seed=0)
    assert np.bincount(folds).max() - np.bincount(folds).min() <= 20
    for category, total in Counter(categories).items():
        owned = [groups[k] for k in range(2000) if categories[k] == category]
        if len(set(owned)) >= 5 and total >= 10:
            seen = {folds[k] for k in range(2000) if categories[k] == category}
            assert len(seen) >= 4, category


def test_split_indices_of_another_seed_differs(rng: np.random.Generator) -> None:
    categories = rng.choice(list("abc"), size=90).tolist()
    first, second = (split_indices(categories, np.arange(90), FRACTIONS, seed) for seed in (0, 1))
    assert first["test"].tolist() != second["test"].tolist()


def test_split_indices_spreads_large_groups_as_small_ones() -> None:
    """Were all duplicates in train, a test would ask harder listings than any forecast knows."""
    categories = list("aaaaaaaaaabbbbbbcc")
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12, 13])
    shares, n_seeds = {"train": 0.75, "test": 0.25}, 400
    in_test = np.zeros(14)
    for seed in range(n_seeds):
        in_test[np.unique(groups[split_indices(categories, groups, shares, seed)["test"]])] += 1
    # 4 standard errors of a share of 400; the last category's two groups must not both be test
    np.testing.assert_allclose(in_test[:12] / n_seeds, 0.25, atol=0.09)
    assert in_test[12:].sum() / n_seeds <= 1


def test_split_indices_takes_parts_without_train() -> None:
    parts = split_indices(["a", "a", "b", "b"], np.arange(4), {"left": 0.5, "right": 0.5}, seed=0)
    assert [len(places) for places in parts.values()] == [2, 2]
    assert split_indices([], np.arange(0), {"all": 1.0}, seed=0)["all"].tolist() == []


@pytest.mark.parametrize(
    "fractions", [{}, {"train": 0.5}, {"train": 1.2, "test": -0.2}, {"a": 0.7, "b": 0.7}]
)
def test_split_indices_refuses_wrong_fractions(fractions: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sum to 1, but are"):
        split_indices(["a"], np.arange(1), fractions, seed=0)


def test_split_indices_refuses_another_number_of_groups() -> None:
    with pytest.raises(ValueError, match="2 categories and 3 groups"):
        split_indices(["a", "b"], np.arange(3), {"train": 1.0}, seed=0)


@pytest.mark.realdata
def test_splits_of_the_real_listings_hold(real_data: Path) -> None:
    listings = read_catalog(real_data / "flipkart" / "listings.csv", need_category=True).listings
    hashes = [hashlib.sha256(Path(str(x.image)).read_bytes()).hexdigest() for x in listings]
    groups = duplicate_groups(hashes, [x.title for x in listings], None, has_photo=None)
    assert 700 < len(np.unique(groups)) < 786, "there are byte-identical photos"
    categories = [category_prefix(x.category or "", 2) for x in listings]
    parts = split_indices(categories, groups, FRACTIONS, seed=0)
    for name, fraction in FRACTIONS.items():
        assert len(parts[name]) / 786 == pytest.approx(fraction, abs=0.02)
    photos = [{hashes[k] for k in places} for places in parts.values()]
    assert photos[0].isdisjoint(photos[1] | photos[2])
    assert photos[1].isdisjoint(photos[2])
    folds = group_folds(categories, groups, 5, seed=0)
    assert np.bincount(folds).min() >= 0.18 * 786
