"""Sessions and sellers: found where they are, and only there."""

from pathlib import Path

import numpy as np
import pytest
from shelfsure.catalog.groups import components
from shelfsure.catalog.listing import Listing, UnusablePhoto
from shelfsure.embedding.further_photos import FurtherPhotos, hash_further_photos
from shelfsure.embedding.grouping import Grouping, group_listings, named_groups, stated_groups
from shelfsure.embedding.sessions import find_sessions
from shelfsure.fusion.views import View

N_CATEGORIES, DIM = 8, 32


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def photos_of(
    rng: np.random.Generator, n_sessions: int, size: int, apart: float, within: float
) -> tuple[View, list[str], np.ndarray]:
    """Categories of sessions of photos; each session's look is its own, and not its category's."""
    centres = rng.normal(size=(N_CATEGORIES, DIM))
    category = np.repeat(np.arange(N_CATEGORIES), n_sessions * size)
    session = np.repeat(np.arange(N_CATEGORIES * n_sessions), size)
    looks = apart * rng.normal(size=(N_CATEGORIES * n_sessions, DIM))
    noise = within * rng.normal(size=(len(category), DIM))
    features = unit(centres[category] + looks[session] + noise)
    view = View(features, np.ones(len(category), dtype=bool))
    return view, [f"category {c}" for c in category], session


def test_sessions_are_found_where_new_ones_are_harder_to_tell(rng: np.random.Generator) -> None:
    view, categories, session = photos_of(rng, n_sessions=8, size=6, apart=1.6, within=0.25)
    nobody = np.arange(len(session))
    groups, found = find_sessions(view, [""] * len(session), categories, nobody, 5, 0)
    assert groups is not None
    assert found["loss_sessions"] > 3 * found["loss_listings"]
    # no session is torn apart
    assert all(len(set(groups[session == own])) == 1 for own in range(session.max() + 1))


def test_no_sessions_are_found_where_listings_are_drawn_one_by_one(
    rng: np.random.Generator,
) -> None:
    view, categories, session = photos_of(rng, n_sessions=48, size=1, apart=0.9, within=0.0)
    nobody = np.arange(len(session))
    groups, found = find_sessions(view, [""] * len(session), categories, nobody, 5, 0)
    assert groups is None
    assert found["loss_sessions"] < 1.5 * found["loss_listings"]


def test_products_of_different_titles_are_no_session_however_alike(
    rng: np.random.Generator,
) -> None:
    view, categories, session = photos_of(rng, n_sessions=8, size=6, apart=1.6, within=0.25)
    words = [f"{'abcdefgh'[row % 6] * 3} lamp {row}" for row in range(len(session))]
    groups, _ = find_sessions(view, words, categories, np.arange(len(session)), 5, 0)
    assert groups is None
    # but one title with other numbers is one product
    numbered = [f"lamp {row}" for row in range(len(session))]
    groups, _ = find_sessions(view, numbered, categories, np.arange(len(session)), 5, 0)
    assert groups is not None


@pytest.mark.parametrize("n", [0, 40])
def test_few_photos_are_not_searched_for_sessions(n: int) -> None:
    view = View(np.zeros((n, DIM), np.float32), np.zeros(n, dtype=bool))
    assert find_sessions(view, [""] * n, ["a"] * n, np.arange(n), 5, 0) == (None, {})


def test_named_groups_keep_a_sellers_listings_together_and_duplicates_of_two_sellers() -> None:
    names = ["ann", "ann", "bob", "bob", None, None, "cid", "dot"]
    duplicates = np.array([0, 1, 2, 3, 4, 4, 3, 5])
    groups = named_groups(names, duplicates, n_folds=2)
    np.testing.assert_array_equal(groups, [0, 0, 1, 1, 2, 2, 1, 3])


def test_named_groups_go_by_name_alone_where_duplicates_would_chain_all_sellers() -> None:
    names = [f"seller {row // 2}" for row in range(40)]
    chained = components(
        40, np.array([[1 + 2 * i for i in range(19)], [2 + 2 * i for i in range(19)]])
    )
    assert len(np.unique(chained)) == 21
    groups = named_groups(names, chained, n_folds=5)
    np.testing.assert_array_equal(groups, np.arange(40) // 2)


def listings_of(names: list[str | None]) -> list[Listing]:
    categories = ["lamp", "vase"]
    return [
        Listing(str(row), category=categories[row % 2], group=name)
        for row, name in enumerate(names)
    ]


def group(listings: list[Listing], known: dict[str, int] | None = None) -> Grouping:
    n = len(listings)
    photos = View(np.eye(n, dtype=np.float32), np.ones(n, dtype=bool))
    hashes, titles = [f"hash {row}" for row in range(n)], [f"title {row}" for row in range(n)]
    labels = [listing.category or "" for listing in listings]
    return group_listings(listings, photos, hashes, titles, labels, n_folds=2, known=known)


def test_group_listings_takes_the_column_where_there_is_one() -> None:
    found = group(listings_of(["ann", "bob", "ann", "bob", None]))
    assert found.source == "column"
    np.testing.assert_array_equal(found.of("new_groups"), [0, 1, 0, 1, 2])
    np.testing.assert_array_equal(found.of("same_groups"), np.arange(5))


def test_group_listings_takes_the_sessions_that_an_encoder_was_tuned_with() -> None:
    found = group(listings_of([None] * 4), known={"hash 0": 7, "hash 3": 7, "elsewhere": 1})
    assert found.source == "sessions"
    np.testing.assert_array_equal(found.groups, [0, 1, 2, 0])
    assert not group(listings_of([None] * 4), known={}).coarser


def test_stated_groups_look_for_no_sessions(rng: np.random.Generator) -> None:
    view, categories, session = photos_of(rng, n_sessions=8, size=6, apart=1.6, within=0.25)
    n = len(session)
    hashes, titles = [f"hash {row // 2}" for row in range(n)], [""] * n
    listings = [Listing(str(row), category=name) for row, name in enumerate(categories)]
    assert group_listings(listings, view, hashes, titles, categories).source == "sessions"
    assert stated_groups(listings, view, hashes, titles, 5).source == "duplicates"
    nobody = View(np.zeros((n, 1), np.float32), np.zeros(n, dtype=bool))
    found = stated_groups(listings, nobody, hashes, titles, 5)
    assert found.source == "duplicates"
    np.testing.assert_array_equal(found.groups, np.arange(n) // 2)
    sellers = [Listing(str(row), group=f"seller {own}") for row, own in enumerate(session)]
    named = stated_groups(sellers, nobody, hashes, titles, 5)
    assert named.source == "column"
    np.testing.assert_array_equal(named.groups, session)


def further_of(rows: list[int], hashes: list[str], vectors: np.ndarray) -> FurtherPhotos:
    there = np.ones(len(rows), dtype=bool)
    return FurtherPhotos(np.array(rows), [2] * len(rows), View(vectors, there), hashes, [None] * 3)


def test_listings_that_share_any_photo_come_together_by_its_bytes_or_its_look(
    rng: np.random.Generator,
) -> None:
    n = 6
    main, others = unit(rng.normal(size=(n, DIM))), unit(rng.normal(size=(3, DIM)))
    others[2] = unit(main[4:5] + 0.001)[0]  # saved anew by somebody else
    listings = [Listing(str(row), f"title {row}") for row in range(n)]
    hashes: list[str | None] = [f"{row}" for row in range(n)]
    # 0 shows what 1 shows, both besides; 2 shows the main photo of 3; 5 what looks like that of 4
    further = further_of([0, 1, 5], ["same", "same", "other"], others)
    given = (
        listings,
        View(main, np.ones(n, dtype=bool)),
        hashes,
        [x.title or "" for x in listings],
    )
    assert stated_groups(*given, 5).duplicates.tolist() == [0, 1, 2, 3, 4, 5]
    assert stated_groups(*given, 5, further).duplicates.tolist() == [0, 0, 1, 2, 3, 3]
    further = further_of([2, 1, 5], ["3", "x", "y"], unit(rng.normal(size=(3, DIM))))
    assert stated_groups(*given, 5, further).duplicates.tolist() == [0, 1, 2, 2, 3, 4]


def test_photos_known_by_their_bytes_only_bring_listings_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"photo")
    listings = [
        Listing("0", "one", b"1", more_images=(tmp_path / "a", tmp_path / "lost")),
        Listing("1", "two", b"2"),
        Listing("2", "three", b"3", more_images=(UnusablePhoto("lost"), b"photo")),
    ]
    further = hash_further_photos(listings)
    assert further is not None
    assert (further.rows.tolist(), further.numbers) == ([0, 2], [2, 3])
    assert hash_further_photos(listings[1:2]) is None
    blind = View(np.zeros((3, 1), np.float32), np.zeros(3, dtype=bool))
    titles = [x.title or "" for x in listings]
    found = stated_groups(listings, blind, ["1", "2", "3"], titles, 5, further)
    assert found.duplicates.tolist() == [0, 1, 0]
