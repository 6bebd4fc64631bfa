from dataclasses import replace
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.catalog.merging import Additions, merge
from shelfsure.catalog.row_checker import RejectedRow


@pytest.fixture
def catalog() -> Catalog:
    listings = [
        Listing("a", "Red lamp", category="Home > Lamps > Desk"),
        Listing("b", "Blue rug", b"photo of b", category="Home > Rugs"),
        Listing("c", "A dog", category="Toys"),
    ]
    return Catalog(tuple(listings), (1, 2, 4), (RejectedRow(3, "x", "no title"),))


def answers(*labelled: Listing, **more: object) -> Additions:
    return Additions(Path("reviews.sqlite"), labelled, answered=True, **more)  # type: ignore[arg-type]


def test_merge_replaces_confirms_and_adds(catalog: Catalog) -> None:
    merged = merge(
        catalog,
        [
            answers(
                Listing("a", "other words", category="Home > Lamps"),
                Listing("b", "Blue rug", category="Home > Mats"),
                Listing("", "New", category="Toys"),
            )
        ],
    )
    labels = {one.listing_id: one.category for one in merged.catalog.listings}
    assert labels == {
        "a": "Home > Lamps > Desk",  # the answer only stops at a higher level
        "b": "Home > Mats",
        "c": "Toys",
        "review-2": "Toys",
    }
    assert merged.catalog.listings[0].title == "Red lamp"
    assert merged.catalog.rows == (1, 2, 4, 5)
    assert merged.answered == ("a", "b", "review-2")
    assert merged.said == ("reviews.sqlite: 1 labels replaced, 1 confirmed, 1 added",)


def test_merge_knows_a_listing_by_title_and_photo(catalog: Catalog) -> None:
    same = Listing("upload-7", " blue  RUG", b"photo of b", category="Home > Mats")
    assert merge(catalog, [answers(same)]).catalog.listings[1].category == "Home > Mats"
    other = replace(same, image=b"another photo")
    merged = merge(catalog, [answers(other)]).catalog
    assert [one.listing_id for one in merged.listings] == ["a", "b", "c", "upload-7"]
    assert merged.listings[1].category == "Home > Rugs"


def test_merge_takes_out_what_is_not_sold(catalog: Catalog) -> None:
    dog = Listing("c", "A dog", b"photo of c")
    merged = merge(catalog, [answers(not_sold=(dog, Listing("d", "no photo")))])
    assert [one.listing_id for one in merged.catalog.listings] == ["a", "b"]
    assert merged.outside == (dog,)
    assert "1 taken out as not sold here" in merged.said[0]


def test_merge_lets_the_last_have_the_last_word(catalog: Catalog) -> None:
    first, second = (Listing("n", "New", category=name) for name in ("Toys", "Garden"))
    file = Additions.of(
        Catalog((first,), (1,), (RejectedRow(2, "y", "no photo"),), Path("more.csv"))
    )
    merged = merge(catalog, [file, answers(second, replace(second, category="Home"))])
    assert merged.catalog.listings[-1].category == "Home"
    assert merged.answered == ("n",)
    assert [each.row for each in merged.catalog.rejected] == [3, 6]
    rows = [*merged.catalog.rows, *(each.row for each in merged.catalog.rejected)]
    assert len(set(rows)) == merged.catalog.n_rows == 6
    assert merged.said[0] == "more.csv: 0 labels replaced, 0 confirmed, 1 added, 1 rows rejected"
