"""Many listings answered at once: the right ones, once each, and taken back at once."""

from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.review.records import ReviewError
from shelfsure.serving.review.store import ReviewStore
from shelfsure.serving.review.together import (
    MAX_TOGETHER,
    alike,
    answer_together,
    waiting_categories,
)


def verdict(category: str | None, probability: float = 0.5) -> Verdict:
    known: dict[str, Any] = {"listing_id": "x", "decision": "review", "top_k": ()}
    return Verdict(**known, category=category, probability=probability if category else None)


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    return ReviewStore(tmp_path / "r.sqlite")


@pytest.fixture
def ids(store: ReviewStore) -> dict[str, int]:
    """Four lamps and two rugs; what sellers say they are is something else."""
    kinds = {"Lamp one": "Lamps", "LÄMP two": "Lamps", "Lamp three": "Lamps", "Odd": "Lamps",
             "Rug one": "Rugs", "Rug two": None}  # fmt: skip
    return {
        title: store.add(Listing(title, title, category="Seller says"), verdict(kind))
        for title, kind in kinds.items()
    }


def test_waiting_categories_counts_what_listings_seem_to_be(
    store: ReviewStore, ids: dict[str, int]
) -> None:
    assert waiting_categories(store) == [("Lamps", 4), ("Rugs", 1)]
    store.label(ids["Rug one"], "Rugs", "ann")
    assert waiting_categories(store) == [("Lamps", 4)]


def test_alike_filters_by_category_and_words(store: ReviewStore, ids: dict[str, int]) -> None:
    def titles(*asked: Any) -> tuple[list[str | None], int]:
        found = alike(store, *asked)
        return [item.listing.title for item in found.items], found.n

    assert titles("Lamps", "", 2) == (["Lamp one", "LÄMP two"], 4)
    assert titles("Lamps", " lämp ", 9) == (["LÄMP two"], 1)
    assert titles(None, "ONE", 9) == (["Lamp one", "Rug one"], 2)
    assert titles("Lamps", "100%_", 9) == ([], 0)
    store.open(ids["Odd"], "somebody")
    assert titles("Lamps", "", 9, "me")[1] == 3
    assert titles("Lamps", "", 9, "somebody")[1] == 4


def test_answers_given_together_are_undone_together(
    store: ReviewStore, ids: dict[str, int]
) -> None:
    store.label(ids["Rug one"], "Rugs", "ann")
    chosen = [ids["Lamp one"], ids["LÄMP two"], ids["Lamp one"]]
    assert answer_together(store, chosen, "category", " Home >Lamps", "ann") == 2
    answered = {item.listing.title: item.answer for item in store.answered()}
    assert {title: own and own.category for title, own in answered.items()} == {
        "Lamp one": "Home > Lamps", "LÄMP two": "Home > Lamps", "Rug one": "Rugs",
    }  # fmt: skip
    assert store.undo("ann")
    assert [item.listing.title for item in store.answered()] == ["Rug one"]
    assert store.undo("ann")
    assert store.answered() == []
    assert store.undo("ann") is None


def test_what_was_answered_meanwhile_keeps_its_answer(
    store: ReviewStore, ids: dict[str, int]
) -> None:
    store.label(ids["Odd"], "Toys", "bob")
    assert answer_together(store, [ids["Odd"], ids["Lamp one"]], "not_sold", None, "ann") == 1
    assert [own.who for own in store.item(ids["Odd"]).answers] == ["bob"]
    assert answer_together(store, [ids["Odd"]], "not_sold", None, "ann") == 0
    assert answer_together(store, [10**6], "not_sold", None, "ann") == 0


def test_undo_of_one_leaves_those_given_together_by_others(
    store: ReviewStore, ids: dict[str, int]
) -> None:
    answer_together(store, [ids["Lamp one"], ids["Odd"]], "category", "Lamps", "ann")
    store.label(ids["Rug one"], "Rugs", "bob")
    store.undo("bob")
    assert len(store.answered()) == 2


@pytest.mark.parametrize(
    ("n", "category", "who", "why"),
    [
        (0, "Lamps", "ann", "1 to 500 listings"),
        (MAX_TOGETHER + 1, "Lamps", "ann", "got 501"),
        (1, " ", "ann", "must have a name"),
        (1, "Lamps", "", "must give a name"),
    ],
)
def test_nothing_is_answered_where_something_is_wrong(
    store: ReviewStore, ids: dict[str, int], n: int, category: str, who: str, why: str
) -> None:
    with pytest.raises(ReviewError, match=why):
        answer_together(store, [ids["Odd"]] * n, "category", category, who)
    assert store.history() == []
