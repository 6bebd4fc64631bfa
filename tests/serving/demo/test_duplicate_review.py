import csv
import json
from pathlib import Path

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.retrieval.duplicates.candidates import CandidateSearch
from shelfsure.retrieval.duplicates.find import DuplicateResult
from shelfsure.retrieval.duplicates.groups import group_duplicates
from shelfsure.retrieval.duplicates.report import PAIR_COLUMNS, merge_plan
from shelfsure.retrieval.duplicates.verdict import DuplicatePair, PhotoFinding
from shelfsure.serving.demo.duplicate_review import DuplicateReview, cases_of, write_plan


def pair(a: Listing, b: Listing, kind: str) -> DuplicatePair:
    relation = "same_bytes" if kind == "same_photo" else "copy"
    return DuplicatePair(a, b, kind, PhotoFinding(relation, 0.97, 0.99), 0.9, ())  # type: ignore[arg-type]


@pytest.fixture
def review() -> DuplicateReview:
    """Group a (b and c are it again), group d (e), and f, a variant of a."""
    names = "abcdef"
    listings = {n: Listing(n, f"title {n}", Path(f"/shop/photos/{n}.jpg")) for n in names}
    found = ["ab same_photo", "ac same_product", "bc same_photo", "de same_product", "af variant"]
    pairs = [pair(listings[k[0]], listings[k[1]], k.split()[1]) for k in found]
    groups = group_duplicates(listings.values(), pairs)
    search = CandidateSearch("exact", 1.0)
    return DuplicateReview(DuplicateResult(pairs, groups, len(listings), len(pairs), search))


def merged(review: DuplicateReview) -> list[tuple[str, str]]:
    steps = merge_plan(review.accepted())["steps"]
    return [(step["listing_id"], step["into"]) for step in steps]


def test_cases_of_shows_groups_by_keeper_and_each_pair_outside_once(
    review: DuplicateReview,
) -> None:
    shown = [
        (case.keeper.listing_id, [(n, other.listing_id) for n, other in case.pairs], case.merges)
        for case in cases_of(review.result)
    ]
    assert shown == [
        ("a", [(0, "b"), (1, "c")], True),
        ("d", [(3, "e")], True),
        ("a", [(4, "f")], False),
    ]


def test_accepted_holds_only_what_was_accepted(review: DuplicateReview) -> None:
    assert merged(review) == []
    review.answer([1, 3], "accepted")
    review.answer([0], "rejected")
    assert merged(review) == [("c", "a"), ("e", "d")]
    review.answer([3], "")
    assert merged(review) == [("c", "a")]


def test_accepted_variants_are_never_merged(review: DuplicateReview) -> None:
    review.answer(range(5), "accepted")
    assert merged(review) == [("b", "a"), ("c", "a"), ("e", "d")]
    everything = merge_plan(review.result)
    assert merge_plan(review.accepted()) == everything


@pytest.mark.parametrize("numbers", [[2], [99], [-1]])
def test_answer_passes_over_what_was_not_asked(review: DuplicateReview, numbers: list[int]) -> None:
    review.answer(numbers, "accepted")
    assert review.answers == {}


def test_answer_takes_nonsense_for_no_answer(review: DuplicateReview) -> None:
    review.answer([0], "accepted")
    review.answer([0], "<script>")
    assert review.answers == {}


def test_answer_rest_leaves_other_kinds_and_rejections(review: DuplicateReview) -> None:
    review.answer([1], "rejected")
    review.answer_rest("same_product", "accepted")
    assert review.answers == {1: "rejected", 3: "accepted"}
    assert review.counts() == [
        ("same_photo", 1, 0, 0),
        ("same_product", 2, 1, 1),
        ("variant", 1, 0, 0),
    ]


def test_undo_takes_back_single_answers_and_answers_to_many(review: DuplicateReview) -> None:
    assert not review.undoable
    review.answer([1], "accepted")
    review.answer([1], "rejected")
    review.answer_rest("same_product", "accepted")
    review.answer([99], "accepted")  # not asked: nothing to take back
    review.undo()
    assert review.answers == {1: "rejected"}
    review.undo()
    assert review.answers == {1: "accepted"}
    review.undo()
    review.undo()
    assert review.answers == {}
    assert not review.undoable


def test_filtered_by_kind_and_by_what_is_open(review: DuplicateReview) -> None:
    def shown(kind: str, *, only_open: bool) -> list[int]:
        return [case.pairs[0][0] for case in review.filtered(kind, only_open=only_open)]

    assert shown("", only_open=False) == [0, 3, 4]
    assert shown("same_product", only_open=False) == [0, 3]
    review.answer([0, 3], "accepted")
    assert shown("", only_open=True) == [0, 4]
    assert shown("same_photo", only_open=True) == []


def test_write_plan_tells_no_folder_of_this_machine(
    review: DuplicateReview, tmp_path: Path
) -> None:
    review.answer([0, 4], "accepted")
    review.answer([1], "rejected")
    merge, pairs = write_plan(review, tmp_path, Path("/shop"))
    [step] = json.loads(Path(merge).read_text())["steps"]
    assert step["before"] == {
        "listing_id": "b",
        "title": "title b",
        "image": "photos/b.jpg",
        "description": None,
        "brand": None,
        "category": None,
        "group": None,
    }
    with Path(pairs).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == (*PAIR_COLUMNS, "answer")
    assert [row["answer"] for row in rows] == ["accepted", "rejected", "", "", "accepted"]
    [elsewhere, _] = write_plan(review, tmp_path, None)
    assert json.loads(Path(elsewhere).read_text())["steps"][0]["before"]["image"] == "b.jpg"
