from pathlib import Path

from shelfsure.retrieval.duplicates.report import pair_row
from shelfsure.serving.demo.duplicate_file import KeptReview, read_found, write_found
from shelfsure.serving.demo.duplicate_review import DuplicateReview
from shelfsure.serving.demo.duplicate_search import Found


def test_what_was_found_is_read_as_it_was_written(found: Found, tmp_path: Path) -> None:
    write_found(found, tmp_path, tmp_path)
    kept = read_found(tmp_path)
    assert (kept.heading, kept.note) == (found.heading, found.note)
    assert kept.result.search == found.result.search
    assert list(map(pair_row, kept.result.pairs)) == list(map(pair_row, found.result.pairs))
    assert any(pair.differences for pair in kept.result.pairs)
    assert [(p.a.title, str(p.a.image), p.b.title, str(p.b.image)) for p in kept.result.pairs] == [
        (p.a.title, str(p.a.image), p.b.title, str(p.b.image)) for p in found.result.pairs
    ]
    ours, theirs = DuplicateReview(kept.result).cases, DuplicateReview(found.result).cases
    assert [(c.keeper.listing_id, [(n, x.listing_id) for n, x in c.pairs]) for c in ours] == [
        (c.keeper.listing_id, [(n, x.listing_id) for n, x in c.pairs]) for c in theirs
    ]


def test_answers_are_kept_one_by_one_with_what_undo_takes_back(
    found: Found, tmp_path: Path
) -> None:
    path = tmp_path / "answers.json"
    kept = KeptReview(found, path)
    with kept.changing() as review:
        review.answer([0], "accepted")
    with kept.changing() as review:
        review.answer_rest("same_product", "rejected")
    again = KeptReview(found, path).review
    assert again.answers == review.answers
    assert len(again.answers) > 5
    again.undo()
    assert again.answers == {0: "accepted"}
    again.undo()
    assert not again.answers
    assert not again.undoable
