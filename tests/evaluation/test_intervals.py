import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from shelfsure.evaluation.intervals import (
    mcnemar_p,
    paired_bootstrap,
    wilson_interval,
)

answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


def test_paired_bootstrap_agrees_with_resampling_listings(rng: np.random.Generator) -> None:
    a = rng.random(400) < 0.9
    b = np.where(rng.random(400) < 0.8, a, rng.random(400) < 0.6)
    expected = stats.bootstrap(
        (a.astype(float), b.astype(float)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=4000,
        random_state=rng,
    ).confidence_interval
    found = paired_bootstrap(a, b, n_resamples=4000)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.low == pytest.approx(expected.low, abs=0.005)
    assert found.high == pytest.approx(expected.high, abs=0.005)


def test_paired_bootstrap_covers_the_true_difference(rng: np.random.Generator) -> None:
    # A alone right with .10, B alone with .05: the true difference is .05
    n_covered = 0
    for i in range(400):
        kind = rng.choice(3, size=500, p=[0.10, 0.05, 0.85])
        found = paired_bootstrap(kind == 0, kind == 1, n_resamples=500, seed=i)
        n_covered += found.low <= 0.05 <= found.high
    assert 0.92 < n_covered / 400 < 0.98


def test_paired_bootstrap_is_narrower_than_an_unpaired_one(rng: np.random.Generator) -> None:
    a = rng.random(2000) < 0.8
    b = a.copy()
    b[:20] = ~b[:20]
    found = paired_bootstrap(a, b)
    unpaired_width = 2 * 1.96 * np.sqrt(2 * 0.8 * 0.2 / 2000)
    assert found.high - found.low < unpaired_width / 3


@given(answers)
def test_paired_bootstrap_mirrors_when_the_arms_swap(rows: list[tuple[bool, bool]]) -> None:
    a, b = np.array(rows).T
    one, other = paired_bootstrap(a, b, 4000), paired_bootstrap(b, a, 4000)
    assert one.low <= one.difference <= one.high
    assert one.difference == pytest.approx(-other.difference)
    # resampled differences are multiples of 1/n, so an end may fall one or two steps away
    assert one.low == pytest.approx(-other.high, abs=2 / len(rows) + 0.02)


def test_paired_bootstrap_repeats_with_its_seed() -> None:
    a, b = np.arange(100) % 3 == 0, np.arange(100) % 4 == 0
    assert paired_bootstrap(a, b, seed=7) == paired_bootstrap(a, b, seed=7)
    assert paired_bootstrap(a, b, seed=7) != paired_bootstrap(a, b, seed=8)


def test_paired_bootstrap_of_equal_arms_is_zero() -> None:
    assert paired_bootstrap(np.array([True, False]), np.array([True, False])) == (0, 0, 0)


def test_paired_bootstrap_names_both_shapes_on_a_mismatch() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        paired_bootstrap(np.ones(3, dtype=bool), np.ones(4, dtype=bool))
    with pytest.raises(ValueError, match="but is 95"):
        paired_bootstrap(np.ones(3, dtype=bool), np.ones(3, dtype=bool), confidence=95)


def test_mcnemar_p_of_a_known_table() -> None:
    # A alone right 8 times, B alone once: 2 * (1 + 9) / 2**9
    a = np.array([True] * 8 + [False] + [True] * 50)
    b = np.array([False] * 8 + [True] + [True] * 50)
    assert mcnemar_p(a, b) == pytest.approx(20 / 512)
    assert mcnemar_p(b, a) == pytest.approx(20 / 512)


def test_mcnemar_p_is_one_where_the_arms_never_differ() -> None:
    assert mcnemar_p(np.array([True, False]), np.array([True, False])) == 1.0


def test_wilson_interval_has_width_even_where_all_are_right() -> None:
    low, high = wilson_interval(20, 20)
    assert low == pytest.approx(1 / (1 + 1.959964**2 / 20))
    assert high == pytest.approx(1.0)
