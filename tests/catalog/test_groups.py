"""Duplicates share a group; templates, placeholders and vague titles don't glue a catalogue."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.catalog import groups as groups_module
from shelfsure.catalog.groups import components, duplicate_groups, similar_links
from shelfsure.core.arrays import Ints

KEYS = st.none() | st.sampled_from("abc")


def same_partition(first: Ints, second: Ints) -> bool:
    return bool(((first[:, None] == first) == (second[:, None] == second)).all())


def spread(rng: np.random.Generator, n: int) -> np.ndarray:
    rows = rng.normal(size=(n, 64)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_duplicate_groups_joins_bytes_titles_and_look_alikes(rng: np.random.Generator) -> None:
    photos = spread(rng, 8)
    photos[5] = photos[4] + 0.002
    photos[7] = photos[6] = 0
    hashes = ["p", "q", "p", "r", "s", "t", None, None]
    titles = [
        "Red mug",
        None,
        "Blue mug",
        "ｒｅｄ  \n MUG",
        "x",
        "y",
        None,
        " ",
    ]  # full-width letters
    found = duplicate_groups(hashes, titles, photos, has_photo=np.array([True] * 6 + [False] * 2))
    assert found.tolist() == [0, 1, 0, 0, 2, 2, 3, 4]
    assert duplicate_groups(hashes, titles, None, has_photo=None).tolist() == [
        0,
        1,
        0,
        0,
        2,
        3,
        4,
        5,
    ]


def test_duplicate_groups_ignores_rows_without_photo(rng: np.random.Generator) -> None:
    photos = np.tile(spread(rng, 1), (4, 1))
    has_photo = np.array([True, False, True, False])
    found = duplicate_groups([None] * 4, [None] * 4, photos, has_photo=has_photo)
    assert found.tolist() == [0, 1, 0, 2]


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(KEYS, KEYS, st.integers(0, 20)), min_size=1, max_size=10),
    seed=st.integers(0, 99),
)
def test_duplicate_groups_matches_a_plain_search_in_any_order(
    rows: list[tuple[str | None, str | None, int]], seed: int
) -> None:
    # Ten listings at most: too few for any guard to step in.
    hashes, titles, steps = zip(*rows, strict=True)
    # Steps of 0.2 rad: one has cosine .980, two .921, so chains form. The same bytes look the same.
    angles = 0.2 * np.array(
        [s if h is None else 2 * ord(h) for h, s in zip(hashes, steps, strict=True)]
    )
    photos = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = duplicate_groups(hashes, titles, photos, has_photo=None)

    plain = np.arange(len(rows))
    for i in range(len(rows)):
        for j in range(i):
            same_hash = hashes[i] is not None and hashes[i] == hashes[j]
            same_title = titles[i] is not None and titles[i] == titles[j]
            if same_hash or same_title or photos[i] @ photos[j] >= 0.97:
                plain[plain == plain[i]] = plain[j]
    assert same_partition(found, plain)

    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = duplicate_groups(
        [hashes[k] for k in order], [titles[k] for k in order], photos[order], has_photo=None
    )
    assert same_partition(shuffled, found[order])


def test_similar_links_does_not_depend_on_the_block_size(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = spread(rng, 12)[rng.integers(0, 12, size=300)] + rng.normal(0, 0.01, size=(300, 64))
    whole = components(300, similar_links(photos, 0.97))
    monkeypatch.setattr(groups_module, "_BLOCK_SIMILARITIES", 1000)
    links = similar_links(photos, 0.97)
    assert links.shape[1] <= 2 * 300, "links found so far are boiled down"
    assert same_partition(components(300, links), whole)
    assert len(np.unique(whole)) == 12


def with_neighbours(
    rng: np.random.Generator, photos: np.ndarray, similarities: np.ndarray
) -> np.ndarray:
    """Give each photo a neighbour at exactly this cosine, in a direction of its own."""
    photos = photos / np.linalg.norm(photos, axis=1, keepdims=True)
    aside = rng.normal(size=photos.shape)
    aside -= (aside * photos).sum(axis=1, keepdims=True) * photos
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosines = similarities[:, None]
    return cosines * photos + np.sqrt(1 - cosines**2) * aside


@pytest.mark.parametrize("flat", [True, False])
def test_similar_links_of_many_rows_misses_no_pair_at_the_limit(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, flat: bool
) -> None:
    monkeypatch.setattr(groups_module, "_SKETCHED_ROWS", 100)
    monkeypatch.setattr(groups_module, "_BLOCK_SIMILARITIES", 30_000)
    n, d = 500, 200
    scale = np.ones(d) if flat else np.arange(1, d + 1) ** -1.0
    photos = 0.3 + rng.normal(size=(n, d)) * scale
    limit = 0.97 if flat else 0.995
    aim = np.where(np.arange(n) % 2 == 0, limit + 1e-5, limit - 1e-5)
    both = np.vstack([photos, with_neighbours(rng, photos, aim)])
    order = rng.permutation(2 * n)
    rows = both[order].astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near, far = np.nonzero(np.triu(unit @ unit.T >= limit, 1))
    place = np.argsort(order)
    planted = {frozenset((place[i], place[n + i])) for i in range(0, n, 2)}
    assert planted <= set(map(frozenset, zip(near.tolist(), far.tolist(), strict=True)))
    found = similar_links(rows, limit)
    assert same_partition(components(2 * n, found), components(2 * n, np.stack([near, far])))
    if flat:  # nothing is alike by chance: link by link
        assert set(map(frozenset, found.T.tolist())) == planted


def test_similar_links_compares_in_full_only_what_may_be_alike(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    monkeypatch.setattr(groups_module, "_SKETCHED_ROWS", 100)
    full = groups_module._similarities
    monkeypatch.setattr(
        groups_module, "_similarities", lambda x, p: compared.append(p.shape[1]) or full(x, p)
    )
    n = 1000
    photos = rng.normal(size=(n, 200)) * np.arange(1, 201) ** -0.5
    photos[1] = photos[0]
    assert similar_links(photos, 0.97).T.tolist() == [[0, 1]]
    assert 1 <= sum(compared) < n


@pytest.mark.parametrize("carrier", ["title", "photo"])
def test_duplicate_groups_takes_nothing_from_a_key_on_many_listings(
    rng: np.random.Generator, caplog: pytest.LogCaptureFixture, carrier: str
) -> None:
    n = 100
    common = ["Gift " if place % 3 == 0 else f"thing {place}" for place in range(n)]
    other = [f"other {place}" for place in range(n)]
    other[0] = other[1]
    titles, hashes = (common, other) if carrier == "title" else (other, common)
    photos = spread(rng, n)
    if carrier == "photo":
        photos[::3] = photos[0]
    with caplog.at_level(logging.WARNING):
        found = duplicate_groups(hashes, titles, photos, has_photo=None)
    assert np.bincount(found).max() == 2, "the one true pair stays"
    assert f"34 listings carry the same {carrier}" in caplog.text


def test_duplicate_groups_cuts_a_chain_of_look_alikes_but_keeps_exact_pairs(
    rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    n, n_chain = 400, 200
    photos = spread(rng, n)
    angles = np.arange(n_chain) * 0.03  # each looks like the next, the ends don't
    photos[:n_chain] = 0
    photos[:n_chain, 0], photos[:n_chain, 1] = np.cos(angles), np.sin(angles)
    photos[399] = photos[398]
    titles = [f"t{place}" for place in range(n)]
    titles[10] = titles[150]
    hashes = [f"h{place}" for place in range(n)]
    hashes[20] = hashes[350]
    with caplog.at_level(logging.WARNING):
        found = duplicate_groups(hashes, titles, photos, has_photo=None)
    assert "groups of more than 50" in caplog.text
    assert found[10] == found[150]
    assert found[20] == found[350]
    assert found[398] == found[399], "a pair outside the chain stays"
    assert len(np.unique(found)) == n - 3


@pytest.mark.parametrize("n", [0, 1])
def test_duplicate_groups_takes_tiny_catalogues(n: int) -> None:
    found = duplicate_groups([None] * n, [None] * n, np.ones((n, 4)), has_photo=None)
    assert found.tolist() == list(range(n))


def test_duplicate_groups_refuses_wrong_input() -> None:
    with pytest.raises(ValueError, match=r"\[2, 1, 2\]"):
        duplicate_groups(["a"], ["b", "c"], np.ones((2, 3)), has_photo=None)
    with pytest.raises(ValueError, match=r"1\.5"):
        duplicate_groups(["a"], ["b"], np.ones((1, 3)), has_photo=None, min_similarity=1.5)
