"""Bounds that may be looked at any time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.fusion.confidence_sequence import confidence_sequence


def ever_wrong(right: np.ndarray, share: float, confidence: float) -> tuple[bool, bool]:
    low, high = confidence_sequence(right, confidence)  # the tightest bounds so far
    return low > share, high < share


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_bounds_hold_at_every_moment_in_nineteen_of_twenty_streams(
    share: float, rng: np.random.Generator
) -> None:
    n_draws = 200
    wrong = [ever_wrong(rng.random(400) < share, share, 0.95) for _ in range(n_draws)]
    n_low, n_high = np.sum(wrong, axis=0)
    assert max(n_low, n_high) <= 0.05 * n_draws + 3 * math.sqrt(0.05 * 0.95 * n_draws)


def test_a_broken_promise_is_seen_soon_and_a_kept_one_believed_in_time(
    rng: np.random.Generator,
) -> None:
    broken = [confidence_sequence(rng.random(100) < 0.8)[1] < 0.97 for _ in range(60)]
    assert np.mean(broken) >= 0.95
    kept = [confidence_sequence(rng.random(1000) < 0.99)[0] for _ in range(20)]
    assert np.median(kept) >= 0.97


@given(st.lists(st.booleans(), max_size=40))
def test_bounds_only_get_tighter_and_hold_the_mean_between_them(answers: list[bool]) -> None:
    right = np.array(answers, dtype=bool)
    before = (0.0, 1.0)
    for n in range(len(right) + 1):
        low, high = confidence_sequence(right[:n])
        assert before[0] <= low <= high <= before[1]
        before = low, high
    if answers:
        assert before[0] <= max(np.cumsum(right) / np.arange(1, len(right) + 1))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_bounds_mirror_each_other(answers: list[bool]) -> None:
    right = np.array(answers, dtype=bool)
    low, high = confidence_sequence(right)
    assert confidence_sequence(~right) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_bounds_by_hand() -> None:
    """Three right answers in a row, one share: the capital against it, stake by stake."""
    wanted, share, capital = math.log(20), 0.3, 1.0
    seen, squares, variance = 0.5, 0.25, 0.25
    for number in range(1, 9):
        stake = math.sqrt(2 * wanted / (variance * number * math.log(1 + number)))
        capital *= 1 + min(stake, 0.75 / share) * (1 - share)
        seen += 1
        squares += (1 - seen / (number + 1)) ** 2
        variance = squares / (number + 1)
        low, _ = confidence_sequence(np.ones(number, dtype=bool))
        assert (low >= share) == (capital >= 20)
    assert capital >= 20
    assert confidence_sequence(np.zeros(0, dtype=bool)) == (0, 1)
