"""Windows of a long file: what is looked at together, and what goes on from one to the next."""

from dataclasses import replace

import pytest
from shelfsure.pipeline import judged_file
from shelfsure.pipeline.judged_file import JoinedFile, tally_of, together
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift, ShiftDetector
from shelfsure.pipeline.verdict import Verdict
from shelfsure.pipeline.verdict_file import JudgedRow

N_ORDINARY, N_STRANGE = 60, 60


@pytest.fixture
def pipeline(tiny_trained: ListingPipeline, monkeypatch: pytest.MonkeyPatch) -> ListingPipeline:
    monkeypatch.setattr(judged_file, "WINDOW_ROWS", 20)
    monkeypatch.setattr(ListingPipeline, "shift_detector", lambda _: ShiftDetector(1000, 0.05))
    return replace(tiny_trained, retrieval=None)


@pytest.fixture
def rows() -> list[JudgedRow]:
    """Ordinary listings, then some that are each just short of strange, then ordinary ones."""
    p_values = [(n % 20 + 0.5) / 20 for n in range(N_ORDINARY)] + [0.06] * N_STRANGE
    p_values += [(n % 20 + 0.5) / 20 for n in range(N_ORDINARY)]
    return [
        JudgedRow(
            row=n,
            verdict=Verdict(listing_id=f"n{n}", decision="accept", ood_p_value=p, route="fusion"),
            photo_problem="gone" if n == 1 else None,
        )
        for n, p in enumerate(p_values, start=1)
    ]


@pytest.mark.parametrize("on_shift", ["review", "warn", "ignore"])
def test_together_holds_from_the_window_on_that_a_drift_is_found_in(
    pipeline: ListingPipeline, rows: list[JudgedRow], on_shift: OnShift
) -> None:
    found = list(together(rows, pipeline, on_shift))
    assert [row.row for row in found] == [row.row for row in rows]
    shifted = [row.row for row in found if row.verdict.shift]
    held = [row.row for row in found if row.verdict.decision != "accept"]
    if on_shift == "ignore":
        assert shifted == held == []
    else:
        assert shifted[0] in (N_ORDINARY + 1, N_ORDINARY + 21, N_ORDINARY + 41)
        assert shifted == list(range(shifted[0], len(rows) + 1))
        assert held == (shifted if on_shift == "review" else [])
    assert "goes by its title" in found[0].verdict.reasons[-1]


def test_together_in_one_window_is_as_batch(
    pipeline: ListingPipeline, rows: list[JudgedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_file, "WINDOW_ROWS", len(rows))
    expected = pipeline.as_batch([row.verdict for row in rows], "review")
    found = [row.verdict for row in together(rows, pipeline, "review")]
    assert found[1:] == expected[1:]
    assert all(verdict.shift for verdict in expected)


def test_watched_counts_what_goes_through(rows: list[JudgedRow]) -> None:
    bad = JudgedRow(row=9, verdict=Verdict.rejected("x", "missing photo and title", ""))
    found = JoinedFile()
    assert list(found.watched([*rows[:3], bad])) == [*rows[:3], bad]
    assert found.decisions == {"accept": 3, "rejected": 1}
    assert (found.n_photo_problems, found.photo_problem) == (1, (1, "gone"))
    assert found.tally == tally_of([*rows[:3], bad])
    assert found.tally.summary() == "4 rows: 3 kept, 1 rejected (1 missing photo and title)"
