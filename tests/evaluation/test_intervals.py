import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from shelfsure.evaluation import intervals
from shelfsure.evaluation.intervals import (
    effective_number,
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
    assert wilson_interval(0, 20)[0] == 0


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_equals_scipy(counts: tuple[int, int]) -> None:
    expected = stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*counts) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("n_right", "n"), [(0, 0), (3.5, 3), (-1, 3)])
def test_wilson_interval_refuses_more_right_than_there_are(n_right: float, n: float) -> None:
    with pytest.raises(ValueError, match=f"but are {n_right} and {n}"):
        wilson_interval(n_right, n)


def test_paired_bootstrap_of_single_listings_is_what_it_was_before_groups() -> None:
    """Numbers of the version that knew no groups."""
    a, b = np.arange(100) % 3 == 0, np.arange(100) % 4 == 0
    expected = (0.09, -0.04, 0.21025)
    assert paired_bootstrap(a, b, seed=7) == pytest.approx(expected, abs=1e-12)


@given(answers, st.randoms())
def test_groups_of_one_listing_change_nothing(
    rows: list[tuple[bool, bool]], random: random.Random
) -> None:
    a, b = np.array(rows).T
    groups = np.array(random.sample(range(1000), len(rows)))
    assert paired_bootstrap(a, b, 100, groups=groups) == paired_bootstrap(a, b, 100)
    assert mcnemar_p(a, b, groups=groups) == mcnemar_p(a, b)
    assert effective_number(groups) == len(rows)


def test_listings_that_come_four_times_say_what_they_say_once(rng: np.random.Generator) -> None:
    a, b = rng.random(300) < 0.85, rng.random(300) < 0.8
    groups = np.repeat(np.arange(300), 4)
    once = paired_bootstrap(a, b)
    grouped = paired_bootstrap(np.repeat(a, 4), np.repeat(b, 4), groups=groups)
    apart = paired_bootstrap(np.repeat(a, 4), np.repeat(b, 4))
    assert grouped == pytest.approx(once, abs=0.01)
    assert apart.high - apart.low < 0.6 * (grouped.high - grouped.low)
    assert mcnemar_p(np.repeat(a, 4), np.repeat(b, 4), groups=groups) == mcnemar_p(a, b)
    assert mcnemar_p(np.repeat(a, 4), np.repeat(b, 4)) < mcnemar_p(a, b)
    assert effective_number(groups) == pytest.approx(300)


def test_paired_bootstrap_agrees_with_resampling_groups_one_by_one(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain resampling of whole groups, and its percentiles as far out as is documented."""
    monkeypatch.setattr(intervals, "MAX_DRAWN", 200)  # many parts
    sizes = rng.geometric(0.2, 80)
    groups = rng.permutation(np.repeat(np.arange(80), sizes))
    a, b = rng.random(len(groups)) < 0.8, rng.random(len(groups)) < 0.2 + 0.6 * (groups % 2)
    ahead = np.array([np.sum(a[groups == g]) - np.sum(b[groups == g]) for g in range(80)])
    drawn = rng.integers(0, 80, (20_000, 80))
    differences = ahead[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    n = sizes.sum() ** 2 / (sizes**2).sum()
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    found = paired_bootstrap(a, b, n_resamples=20_000, groups=groups)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found[1:] == pytest.approx(np.quantile(differences, [tail, 1 - tail]), abs=0.006)


@pytest.mark.parametrize("sizes_are", ["equal", "geometric"])
def test_paired_bootstrap_covers_the_true_difference_of_groups(
    rng: np.random.Generator, sizes_are: str
) -> None:
    """Groups are right or wrong as one; A alone is right about .2 of them, B alone about .1."""
    n_covered, n_without, n_draws = 0, 0, 400
    for i in range(n_draws):
        sizes = np.full(80, 8) if sizes_are == "equal" else rng.geometric(1 / 8, 80)
        groups = np.repeat(np.arange(80), sizes)
        kind = rng.choice(3, size=80, p=[0.2, 0.1, 0.7])[groups]
        found = paired_bootstrap(kind == 0, kind == 1, 500, i, groups=groups)
        without = paired_bootstrap(kind == 0, kind == 1, 500, i)
        n_covered += found.low <= 0.1 <= found.high
        n_without += without.low <= 0.1 <= without.high
    assert n_covered / n_draws >= 0.92
    assert n_without / n_draws < 0.7


def test_wilson_interval_covers_the_true_share_of_groups(rng: np.random.Generator) -> None:
    n_covered, n_without, n_draws = 0, 0, 400
    for _ in range(n_draws):
        groups = np.repeat(np.arange(80), rng.geometric(1 / 8, 80))
        right = (rng.random(80) < 0.9)[groups]
        n = effective_number(groups)
        low, high = wilson_interval(right.mean() * n, n)
        n_covered += low <= 0.9 <= high
        low, high = wilson_interval(int(right.sum()), len(right))
        n_without += low <= 0.9 <= high
    assert n_covered / n_draws >= 0.92
    assert n_without / n_draws < 0.7


def test_one_group_shows_nothing() -> None:
    a, b = np.ones(50, dtype=bool), np.zeros(50, dtype=bool)
    assert paired_bootstrap(a, b, groups=np.zeros(50, dtype=int)) == (1, -1, 1)
    assert mcnemar_p(a, b, groups=np.zeros(50, dtype=int)) == 1


def test_mcnemar_p_of_groups_is_a_sign_test() -> None:
    # A is ahead in five groups, B in one, however large, and in one neither is
    ahead = {0: 1, 1: 3, 2: 2, 3: 1, 4: 1, 5: -40, 6: 0}
    rows = [(g, net > 0) for g, net in ahead.items() for _ in range(abs(net))]
    rows += [(6, True), (6, False)]
    groups, for_a = (np.array(column) for column in zip(*rows, strict=True))
    p = mcnemar_p(for_a, ~for_a, groups=groups)
    assert p == pytest.approx(stats.binomtest(5, 6).pvalue)


def test_groups_must_have_an_entry_a_listing() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\), but has \(2,\)"):
        paired_bootstrap(np.ones(3, bool), np.ones(3, bool), groups=np.arange(2))
