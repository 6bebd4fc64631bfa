"""A drift is found soon, and hardly ever where there is none."""

import math

import numpy as np
import pytest
from shelfsure.pipeline.shift import ShiftDetector, hold
from shelfsure.pipeline.verdict import Shift, Verdict
from shelfsure.retrieval.ood.conformal import p_values

SHIFT = Shift(p_value=1e-6, what="They look strange.")


def verdict(decision: str) -> Verdict:
    return Verdict(listing_id="a", decision=decision, reasons=("because",))  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [30, 100, 600])
def test_a_stream_like_the_training_listings_hardly_ever_alarms(
    n: int, rng: np.random.Generator
) -> None:
    n_false = 0
    for _ in range(100):
        known = rng.normal(size=n)
        stream = p_values(known, rng.normal(size=1500))
        n_false += ShiftDetector(n).watch(stream).shift is not None
    assert n_false <= 5


@pytest.mark.parametrize("stranger_by", [0.8, 1.5])
def test_a_new_seller_half_way_is_noticed_within_200_listings(
    stranger_by: float, rng: np.random.Generator
) -> None:
    n_noticed = 0
    for _ in range(40):
        known = rng.normal(size=300)
        detector = ShiftDetector(300).watch(p_values(known, rng.normal(size=300)))
        detector.watch(p_values(known, rng.normal(size=200) + stranger_by))
        n_noticed += detector.shift is not None
    assert n_noticed >= 38


def test_a_drift_too_small_to_matter_isnt_found_however_long_one_looks(
    rng: np.random.Generator,
) -> None:
    known = rng.normal(size=20_000)
    stream = p_values(known, rng.normal(size=50_000) + 0.1)
    assert ShiftDetector(20_000).watch(stream).shift is None


def test_it_goes_on_where_it_was_and_passes_over_what_is_unknown(rng: np.random.Generator) -> None:
    stream = rng.random(100).tolist()
    whole = ShiftDetector(50).watch(stream)
    parts = ShiftDetector(50).watch(stream[:30]).watch([math.nan, math.nan]).watch(stream[30:])
    assert parts.p_value == whole.p_value
    assert parts.n_watched == 100
    assert ShiftDetector(0).watch([]).shift is None


def test_a_wave_of_refused_listings_is_no_drift_but_what_just_passes_is() -> None:
    rng = np.random.default_rng(0)
    detector = ShiftDetector(500, alpha=0.05).watch(np.full(1000, 0.02))
    assert detector.n_watched == 0
    assert detector.watch(rng.uniform(0.05, 1, 1000)).shift is None
    assert detector.watch(rng.uniform(0.05, 0.2, 60)).shift is not None


def test_it_never_overflows() -> None:
    detector = ShiftDetector(1000).watch([0.001] * 100_000)
    assert 0 < detector.p_value < 1e-50


def test_hold_accepts_nothing_any_more_and_says_why() -> None:
    decisions = ("accept", "review", "out_of_catalogue", "rejected")
    verdicts = [verdict(decision) for decision in decisions]
    held = hold(verdicts, SHIFT, "review")
    assert [v.decision for v in held] == ["review", "review", "out_of_catalogue", "rejected"]
    assert held[0].reasons[0] == SHIFT.reason
    assert SHIFT.reason.startswith("Nothing is accepted for now")
    assert held[0].reasons[1:] == ("because",)
    assert [v.shift for v in held] == [SHIFT, SHIFT, SHIFT, None]
    warned = hold(verdicts, SHIFT, "warn")
    assert [v.decision for v in warned] == list(decisions)
    assert warned[0].shift == SHIFT
    assert hold(verdicts, SHIFT, "ignore") == hold(verdicts, None, "review") == verdicts
