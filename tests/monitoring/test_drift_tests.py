"""Streams and batches: exact where nothing has changed, and quick where something has."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, kstest
from shelfsure.core.arrays import Floats, unit_rows
from shelfsure.monitoring.batch import (
    adjusted,
    exceedance_p_value,
    share_p_value,
    stranger_p_value,
    tail_p_value,
)
from shelfsure.monitoring.neighbours import (
    left_out_distances,
    online_p_values,
    online_ranks,
    split_scores,
)
from shelfsure.monitoring.stream import CUT_OFFS, bet, together


def points(rng: np.random.Generator, n: int, away: float = 0.0) -> Floats:
    """Draw directions of four dimensions around one; `away` turns that one."""
    centre = np.array([np.cos(away), np.sin(away), 0, 0])
    return unit_rows(centre + 0.2 * rng.normal(size=(n, 4)))


def test_online_p_values_are_evenly_spread_and_independent_even_for_few_listings(
    rng: np.random.Generator,
) -> None:
    drawn = np.array(
        [online_p_values((x := points(rng, 30))[:12], x[12:], rng) for _ in range(1500)]
    )
    for place in (0, 5, 17):  # the first as the last
        assert kstest(drawn[:, place], "uniform").pvalue > 1e-4
    assert kstest(drawn.ravel(), "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.03


def test_online_p_values_are_those_of_scoring_everything_anew(rng: np.random.Generator) -> None:
    known, stream = points(rng, 25), points(rng, 300, 0.2)
    found = online_p_values(known, stream, np.random.default_rng(1))
    for place in (0, 1, 150, 299):
        bag = np.concatenate([known, stream[: place + 1]])
        distances = left_out_distances(bag)
        stranger = np.sum(distances[:-1] > distances[-1] + 1e-6)
        assert stranger / len(bag) <= found[place] <= (stranger + 1) / len(bag) + 1e-6


def test_online_ranks_are_evenly_spread_among_ties(rng: np.random.Generator) -> None:
    drawn = [
        online_ranks((x := (rng.random(80) < 0.1).astype(float))[:40], x[40:], rng)
        for _ in range(100)
    ]
    assert kstest(np.concatenate(drawn), "uniform").pvalue > 0.001
    assert online_ranks(np.zeros(99), np.ones(1), rng)[0] <= 0.01


def test_a_stream_without_a_drift_alarms_in_at_most_one_of_a_hundred(
    rng: np.random.Generator,
) -> None:
    alarms = [bet(rng.random(500)).alarm_at() is not None for _ in range(300)]
    assert np.mean(alarms) <= 0.02


@pytest.mark.parametrize("before", [[], [0.002], [0.5, 0.02, 0.9]])
def test_bets_are_at_fair_odds_whatever_came_before(before: list[float]) -> None:
    edges = np.array([0, *CUT_OFFS, 1])
    after = [bet(np.array([*before, p])).capital[-1] for p in (edges[:-1] + edges[1:]) / 2]
    held = bet(np.array(before)).capital[-1] if before else 1.0
    assert np.diff(edges) @ after == pytest.approx(held)  # the mean over evenly spread p-values
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize(("begins", "within"), [(0, 150), (500, 200)])
def test_a_stream_with_a_tenth_of_strangers_alarms_soon_also_if_they_come_late(
    begins: int, within: int, rng: np.random.Generator
) -> None:
    delays = []
    for _ in range(20):
        p = rng.random(begins + 400)
        p[begins:] = np.where(rng.random(400) < 0.1, 0.005 * p[begins:], p[begins:])
        at = bet(p).alarm_at()
        delays.append(np.inf if at is None else at + 1 - begins)
    assert min(delays) > 0
    assert np.median(delays) <= within


def test_capital_is_shared_out_and_unknown_p_values_change_nothing() -> None:
    loud, silent = bet(np.full(50, 0.001)), bet(np.full(50, np.nan))
    assert loud.alarm_at() is not None
    assert silent.capital.tolist() == [1.0] * 50
    assert silent.p_value == 1
    both = together([loud, silent], [1, 3])
    assert both.capital == pytest.approx((loud.capital + 3) / 4)
    assert loud.p_value == pytest.approx(1 / loud.capital.max())


def test_exceedances_are_as_likely_as_simulation_says(rng: np.random.Generator) -> None:
    n, m, allowed = 9, 6, 2
    drawn = rng.random((20_000, n + m))
    beyond = np.sum(drawn[:, n:] > np.sort(drawn[:, :n])[:, [-allowed]], axis=1)
    for k in range(m + 1):
        p = exceedance_p_value(k, m, allowed, n)
        assert np.mean(beyond >= k) == pytest.approx(p, abs=0.01)
    assert exceedance_p_value(0, m, allowed, n) == 1


@pytest.mark.parametrize(("n", "m"), [(8, 5), (60, 40)])
def test_batch_tests_refuse_no_more_often_than_they_say(
    n: int, m: int, rng: np.random.Generator
) -> None:
    found = []
    for _ in range(400):
        x = points(rng, n + m)
        found.append(stranger_p_value(split_scores(x[:n], x[n:], rng)))
    assert all(np.mean(np.array(found) <= level) <= level + 0.02 for level in (0.05, 0.2))
    away = split_scores(points(rng, 60), points(rng, 40, 1.0), rng)
    assert stranger_p_value(away) < 1e-6
    assert tail_p_value(rng.random(100), rng.random(50) + 1) < 1e-10


def test_a_share_is_tested_as_fisher_does(rng: np.random.Generator) -> None:
    assert share_p_value(5, 100, 5, 100) == 1
    one_sided = fisher_exact([[12, 88], [2, 98]], alternative="greater").pvalue
    assert share_p_value(12, 100, 2, 100) == pytest.approx(2 * one_sided)
    assert share_p_value(2, 100, 12, 100) == pytest.approx(2 * one_sided)


def test_p_values_are_corrected_by_holm() -> None:
    assert adjusted(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted(np.array([])).shape == (0,)
