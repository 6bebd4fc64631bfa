import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest
from shelfsure.core.errors import CalibrationError
from shelfsure.fusion.accept_rule import (
    AcceptRule,
    Rules,
    effective_numbers,
    fit_accept_rule,
    precision_lower_bound,
    showable_precision,
)

Array = npt.NDArray[np.float64]


@given(
    counts=st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    confidence=st.floats(0.5, 0.999),
)
def test_precision_lower_bound_equals_scipy(counts: tuple[int, int], confidence: float) -> None:
    n_right, n = counts
    interval = binomtest(n_right, n, alternative="greater").proportion_ci(confidence, "exact")
    assert precision_lower_bound(n_right, n, confidence) == pytest.approx(interval.low, abs=1e-9)


def test_precision_lower_bound_of_nothing_is_zero() -> None:
    assert precision_lower_bound(0, 0, 0.95) == 0.0


# A calibrated model: each answer's probability q is drawn from this, and right with probability q.
A, B = 4.0, 0.5


def true_precision(threshold: float) -> float:
    """E[q | q >= threshold] for q drawn from Beta(A, B)."""
    return float(A / (A + B) * beta.sf(threshold, A + 1, B) / beta.sf(threshold, A, B))


@pytest.mark.parametrize("target", [0.92, 0.97])
def test_fit_accept_rule_keeps_its_promise_for_a_known_model(target: float) -> None:
    rng = np.random.default_rng(0)
    n_sets, n_kept, coverages = 200, 0, []
    for _ in range(n_sets):
        probability = rng.beta(A, B, 2000)
        right = rng.random(2000) < probability
        rule = fit_accept_rule(probability, right, target, 0.95)
        coverages.append(rule.coverage)
        n_kept += rule.threshold > 1 or true_precision(rule.threshold) >= target
    assert n_kept / n_sets >= 0.95
    # a rule that accepts (next to) nothing would keep any promise
    best = beta.sf(max(t for t in np.linspace(0, 0.999, 1000) if true_precision(t) < target), A, B)
    assert np.mean(coverages) > 0.6 * best


def test_fit_accept_rule_survives_one_wrong_answer_at_the_very_top() -> None:
    probability = np.linspace(0.999, 0.5, 500)
    right = np.ones(500, dtype=bool)
    right[0] = False
    rule = fit_accept_rule(probability, right, 0.97)
    assert rule.coverage == 1.0
    assert rule.threshold == 0.5
    assert rule.precision == pytest.approx(499 / 500)


def test_fit_accept_rule_stops_where_answers_turn_wrong() -> None:
    probability = np.linspace(1.0, 0.0, 1000)
    right = probability > 0.3
    rule = fit_accept_rule(probability, right, 0.95)
    # 700 are right; 5 % of the accepted may be wrong at most, so fewer than 37 of the rest
    assert 0.26 < rule.threshold < 0.31


def test_fit_accept_rule_hands_the_allowed_error_on() -> None:
    right = np.arange(600) < 300
    right[[292, 295, 298]] = False
    rule = fit_accept_rule(np.linspace(0.999, 0.5, 600), right)
    assert rule.coverage == 0.5
    # three starts have a third of 5 % each; the one at half of the listings wouldn't do alone
    assert precision_lower_bound(297, 300, 1 - 0.05 / 3) < 0.97
    assert precision_lower_bound(297, 300, 1 - 2 * 0.05 / 3) >= 0.97


def test_fit_accept_rule_is_not_the_best_of_many_tests() -> None:
    # the loosest threshold of all would pass by itself: picking the best of many tests is no proof
    right = np.ones(1000, dtype=bool)
    right[:10] = right[300:365] = False
    assert precision_lower_bound(925, 1000, 0.9875) > 0.9
    rule = fit_accept_rule(np.linspace(0.999, 0.5, 1000), right, 0.9)
    assert 0.3 <= rule.coverage < 0.35


@pytest.mark.parametrize(
    ("right_fraction", "n"),
    [(0.0, 1000), (0.5, 1000), (1.0, 20)],
    ids=["all wrong", "half wrong", "all right, but too few to show it"],
)
def test_fit_accept_rule_accepts_nothing_where_nothing_can_be_shown(
    right_fraction: float, n: int
) -> None:
    right = np.arange(n) % 2 < 2 * right_fraction
    rule = fit_accept_rule(np.linspace(1.0, 0.5, n), right)
    assert rule.threshold > 1
    assert (rule.coverage, rule.precision, rule.n_calibration) == (0.0, 0.0, n)
    assert not rule.accepts(np.array([0.99, 1.0])).any()


def test_fit_accept_rule_takes_equal_probabilities_together_or_not_at_all() -> None:
    # the hundred surest of the tied answers are right, the rest isn't: a cut inside would cheat
    probability = np.full(400, 0.9)
    right = np.arange(400) < 200
    assert fit_accept_rule(probability, right, 0.9).threshold > 1
    above = np.r_[np.full(400, 0.95), probability]
    rule = fit_accept_rule(above, np.r_[np.ones(400, dtype=bool), right], 0.9)
    assert (rule.threshold, rule.coverage, rule.precision) == (0.95, 0.5, 1.0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 400),
    target=st.sampled_from([0.6, 0.8, 0.95]),
    digits=st.sampled_from([1, 2, 8]),
)
def test_fit_accept_rule_reports_what_its_threshold_does(
    seed: int, n: int, target: float, digits: int
) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.beta(4, 1, n).round(digits)
    right = rng.random(n) < probability
    rule = fit_accept_rule(probability, right, target)
    accepted = rule.accepts(probability)
    assert rule.coverage == pytest.approx(accepted.mean())
    assert rule.precision == pytest.approx(right[accepted].mean() if accepted.any() else 0)
    assert (rule.threshold in probability) == accepted.any()
    order = rng.permutation(n)
    assert fit_accept_rule(probability[order], right[order], target) == rule
    if accepted.any():
        bound = precision_lower_bound(int(right[accepted].sum()), int(accepted.sum()), 0.95)
        assert bound >= target


def test_fit_accept_rule_threshold_decides_alike_in_single_precision() -> None:
    probability = np.linspace(0.999, 0.7, 300).astype(np.float32)
    rule = fit_accept_rule(probability, np.ones(300, dtype=bool))
    loaded = AcceptRule(**json.loads(json.dumps(vars(rule))))
    assert loaded.accepts(probability).all()


@pytest.mark.parametrize(("n", "n_right"), [(0, 0), (3, 2)])
def test_fit_accept_rule_needs_one_outcome_a_probability(n: int, n_right: int) -> None:
    with pytest.raises(CalibrationError, match=f"got {n} probabilities, {n_right} outcomes"):
        fit_accept_rule(np.ones(n), np.ones(n_right, dtype=bool))


def test_rules_survive_json_and_know_no_other_pattern() -> None:
    rule = AcceptRule(1 / 3, 0.97, 0.95, 0.5, 0.99, 200)
    never = AcceptRule(2.0, 0.97, 0.95, 0.0, 0.0, 200)
    rules = Rules({frozenset({"photo", "title"}): (rule, never), frozenset({"photo"}): (never,)})
    loaded = Rules.from_json(json.loads(json.dumps(rules.to_json(), allow_nan=False)))
    assert loaded == rules
    assert loaded.for_pattern(frozenset({"title", "photo"})) == (rule, never)
    assert loaded.for_pattern(frozenset({"title"})) == ()


def test_precision_lower_bound_of_no_mistake_in_59_is_95_percent() -> None:
    # the rule behind it: .95 ** 59 is just below .05
    assert precision_lower_bound(58, 58) < 0.95 < precision_lower_bound(59, 59)


def test_precision_lower_bound_agrees_with_the_beta_quantile() -> None:
    assert precision_lower_bound(90, 100) == pytest.approx(beta.ppf(0.05, 90, 11))
    assert precision_lower_bound(0, 10) == 0.0


Sizes = npt.NDArray[np.int64]
SIZES: dict[str, Callable[[int, np.random.Generator], Sizes]] = {
    "ten each": lambda n, _: np.full(n, 10),
    "geometric": lambda n, rng: rng.geometric(0.2, n),
    "a few huge": lambda n, rng: np.where(rng.random(n) < 0.1, 50, 1),
    "heavy tail": lambda n, rng: np.minimum(rng.pareto(1.0, n) + 1, 200).astype(int),
}


@pytest.mark.parametrize("n_groups", [20, 50, 200])
@pytest.mark.parametrize("kind", SIZES)
def test_fit_accept_rule_keeps_its_promise_where_groups_are_right_or_wrong_together(
    kind: str, n_groups: int
) -> None:
    # 3.1 % are wrong however sure they are, so every rule that accepts something breaks its promise
    rng, n_draws = np.random.default_rng(0), 200
    n_broken = 0
    for _ in range(n_draws):
        sizes = SIZES[kind](n_groups, rng)
        groups = np.repeat(np.arange(n_groups), sizes)
        right = np.repeat(rng.random(n_groups) >= 0.031, sizes)
        n_broken += fit_accept_rule(rng.random(len(groups)), right, groups=groups).threshold <= 1
    assert n_broken / n_draws <= 0.05


def test_fit_accept_rule_is_the_same_however_often_each_listing_is_there() -> None:
    rng = np.random.default_rng(3)
    probability = rng.beta(A, B, 900)
    right = rng.random(900) < probability**0.3
    once = fit_accept_rule(probability, right)
    groups = np.repeat(np.arange(900), 4)
    often = fit_accept_rule(np.repeat(probability, 4), np.repeat(right, 4), groups=groups)
    assert 0.1 < once.coverage < 1
    assert (often.threshold, often.coverage) == (once.threshold, once.coverage)
    assert (once.n_groups, often.n_groups) == (900, 900)
    assert often.n_calibration == 3600


def test_fit_accept_rule_says_how_many_groups_it_takes() -> None:
    rule = fit_accept_rule(np.ones(500), np.ones(500, bool), groups=np.arange(500) % 98)
    assert rule.threshold > 1
    assert (rule.n_groups, rule.n_groups_needed) == (98, 99)
    assert fit_accept_rule(np.ones(500), np.ones(500, bool), groups=np.arange(500) % 100).coverage


def test_fit_accept_rule_asks_of_as_few_as_could_show_it_where_there_are_few() -> None:
    # 99 right ones are enough, and the least sure, who are wrong, needn't be among them
    probability, right = np.linspace(1.0, 0.5, 110), np.arange(110) < 104
    assert fit_accept_rule(probability, right).coverage == pytest.approx(104 / 110, abs=0.02)
    right[97] = False
    assert fit_accept_rule(probability, right).coverage == 0


def test_showable_precision_is_what_could_be_promised_instead() -> None:
    probability, right = np.linspace(1.0, 0.5, 80), np.arange(80) < 79
    assert fit_accept_rule(probability, right).coverage == 0
    found = showable_precision(probability, right, 0.97, 0.95, np.arange(80))
    assert found == 0.96
    assert fit_accept_rule(probability, right, found).coverage > 0.9
    few = np.arange(5)
    assert showable_precision(np.ones(5), np.ones(5, bool), 0.97, 0.95, few) is None


def test_effective_numbers_count_groups_of_one_size_and_discount_large_ones() -> None:
    assert effective_numbers(np.repeat(np.arange(7), 3))[-1] == pytest.approx(7)
    assert effective_numbers(np.r_[1, 2, 3, 4, np.zeros(96, int)])[[3, -1]] == pytest.approx(
        [4, 1.085], abs=0.001
    )
    assert len(effective_numbers(np.zeros(0, int))) == 0


def test_fit_accept_rule_keeps_its_promise_where_large_groups_are_wrong_more_often() -> None:
    # a tenth of the groups has fifty listings each, and only these are ever wrong: 3.14 % of all
    rng, n_draws, n_broken = np.random.default_rng(0), 200, 0
    sizes = np.where(np.arange(1000) % 10 == 0, 50, 1)
    groups = np.repeat(np.arange(1000), sizes)
    for _ in range(n_draws):
        right = np.repeat((rng.random(1000) >= 0.037) | (sizes == 1), sizes)
        n_broken += fit_accept_rule(rng.random(len(groups)), right, groups=groups).threshold <= 1
    assert n_broken / n_draws <= 0.05
