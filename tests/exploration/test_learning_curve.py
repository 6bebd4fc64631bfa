import numpy as np
import pytest
from scipy.special import expit, logit
from shelfsure.exploration.learning_curve import (
    SIZES,
    fit_curve,
    forecast_gains,
    group_rank,
    level_spread,
    subset_answers,
)
from shelfsure.fusion.heads import LinearHead
from shelfsure.fusion.views import View

SHARE = np.log(SIZES)


def test_fit_curve_finds_the_slope_and_the_levels_it_was_drawn_with():
    levels, slope = logit([0.05, 0.1, 0.2]), 0.7
    seen = np.full((3, 3), 1e5)
    wrong = seen * expit(levels - slope * SHARE[:, None])
    found, found_slope = fit_curve(wrong, seen, SHARE)
    assert found == pytest.approx(levels, abs=0.01)
    assert found_slope == pytest.approx(slope, abs=0.01)


def test_fit_curve_gives_a_category_without_listings_the_mean_level():
    seen = np.array([[1e4, 1e4, 0.0]] * 3)
    found, _ = fit_curve(seen * 0.1, seen, SHARE)
    assert found == pytest.approx(np.full(3, logit(0.1)), abs=0.05)


def test_fit_curve_never_forecasts_a_loss():
    seen = np.full((3, 2), 1000.0)
    wrong = np.array([[50.0, 50], [80, 80], [120, 120]])
    assert fit_curve(wrong, seen, SHARE)[1] == 0.0


def test_forecast_gains_hold_the_gain_that_the_curve_was_drawn_with(rng):
    labels = np.repeat(np.arange(4), 500)
    level = logit(np.array([0.05, 0.1, 0.2, 0.3]))
    chance = expit(level[labels] - 0.8 * SHARE[:, None])
    right = rng.random(len(labels)) >= chance  # one draw a listing: a size more never hurts it
    told = forecast_gains(right, labels, np.arange(2000), 4)
    truth = expit(level) - expit(level - 0.8 * np.log(2))
    assert [each.n for each in told] == [500] * 4
    assert [each.right for each in told] == pytest.approx([0.95, 0.9, 0.8, 0.7], abs=0.07)
    assert [each.gain for each in told] == pytest.approx(truth, abs=0.03)
    held = [t.gain_low <= g <= t.gain_high for t, g in zip(told, truth, strict=True)]
    assert sum(held) >= 3
    # the mistakes' odds fall with the 0.8th power, so to halve them takes about 2 ** (1 / 0.8)
    assert told[0].n_to_halve == pytest.approx(500 * (2**1.25 - 1), rel=0.4)


def test_level_spread_counts_groups_and_knows_little_of_a_category_without_mistakes():
    labels = np.repeat([0, 1, 2], 100)
    groups = np.arange(300)
    groups[100:200] = 100  # one group: no more than one observation
    spread = level_spread(logit([0.2, 0.2, 1e-9]), labels, groups)
    assert spread == pytest.approx([1 / np.sqrt(17), 1 / np.sqrt(1.16), 1.0], abs=1e-3)


def test_forecast_gains_promise_nothing_where_more_has_brought_nothing(rng):
    labels = np.repeat([0, 1], 300)
    right = np.tile(rng.random(600) < 0.8, (3, 1))
    told = forecast_gains(right, labels, np.arange(600), 2)
    assert [each.gain for each in told] == pytest.approx([0, 0], abs=0.01)
    assert [each.n_to_halve for each in told] == [None, None]


def test_group_rank_keeps_groups_whole_and_the_first_of_each_category(rng):
    labels, groups = np.repeat([0, 1], 6), np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4])
    rank = group_rank(labels, groups, rng)
    assert sorted(set(rank[:6])) == pytest.approx([0, 1 / 3, 2 / 3])
    assert sorted(set(rank[6:])) == pytest.approx([0, 1 / 2])
    assert all(len(set(rank[groups == group])) == 1 for group in range(5))


def test_subset_answers_get_better_with_more(rng):
    n, labels = 400, np.tile([0, 1, 2, 3], 100)
    centres = rng.normal(0, 1, (4, 30))
    features = (centres[labels] + rng.normal(0, 2.5, (n, 30))).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    view = View(features, np.ones(n, bool))
    head = LinearHead(np.zeros((4, 30)), np.zeros(4))
    right = subset_answers(
        {"photo": view},
        {"photo": head},
        {"photo": 1.0},
        labels,
        np.arange(n),
        np.arange(n) % 5,
        4,
        sizes=(0.05, 1.0),
    )
    assert right.shape == (2, n)
    assert right[1].mean() > right[0].mean() + 0.1


def test_subset_answers_are_wrong_for_listings_that_nobody_sees(rng):
    n, labels = 40, np.tile([0, 1], 20)
    features = np.where(labels[:, None] == [0, 1], 1.0, 0.0).astype(np.float32)
    present = np.arange(n) >= 2
    view = View(features * present[:, None], present)
    head = {"photo": LinearHead(np.zeros((2, 2)), np.zeros(2))}
    folds = np.arange(n) // 2 % 4
    right = subset_answers(
        {"photo": view}, head, {"photo": 1.0}, labels, np.arange(n), folds, 2, sizes=(1.0,)
    )
    assert right[0].tolist() == present.tolist()
