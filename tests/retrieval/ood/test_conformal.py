import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.retrieval.ood.conformal import p_values, p_values_by_category, voices

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)


def test_p_values_of_known_ranks() -> None:
    calibration = np.array([3.0, 1.0, 2.0, 4.0])
    scores = np.array([0.0, 2.0, 2.5, 4.0, 9.0, np.nan])
    np.testing.assert_allclose(p_values(calibration, scores), [1.0, 0.8, 0.6, 0.4, 0.2, 1.0])


def test_p_values_without_calibration_refuse_nobody() -> None:
    np.testing.assert_array_equal(p_values(np.array([]), np.array([1e9])), [1.0])


@settings(deadline=None)
@given(SCORES, SCORES)
def test_p_values_equal_the_definition_and_fall_with_the_score(
    calibration: list[float], scores: list[float]
) -> None:
    known, new = np.array(calibration), np.sort(scores)
    p = p_values(known, new)
    counts = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in new]
    np.testing.assert_allclose(p, counts)
    assert (np.diff(p) <= 0).all()
    np.testing.assert_array_equal(p_values(known[::-1], new), p)


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (50, 0.05), (200, 0.1), (18, 0.05)])
def test_refused_share_is_at_most_alpha_for_exchangeable_scores(
    n: int, alpha: float, rng: np.random.Generator
) -> None:
    draws = rng.standard_cauchy((6000, n + 1))
    refused = np.mean([p_values(row[:-1], row[-1:])[0] <= alpha for row in draws])
    noise = 3.5 * np.sqrt(alpha * (1 - alpha) / len(draws))
    assert refused <= alpha + noise
    # and not far below: as many as ranks allow
    assert refused >= np.floor(alpha * (n + 1) + 1e-9) / (n + 1) - noise


def test_p_values_by_category_keep_the_promise_where_the_marginal_ones_break_it(
    rng: np.random.Generator,
) -> None:
    n, alpha = 8000, 0.05
    categories = np.arange(n) % 2
    calibration = rng.normal(size=n) + 3.0 * categories  # category 1 always looks stranger
    new = rng.normal(size=20_000) + 3.0
    ones = np.ones(len(new), dtype=int)
    assert (p_values(calibration, new) <= alpha).mean() > 0.08
    p = p_values_by_category(calibration, categories, new, ones, 19)
    np.testing.assert_allclose(p, p_values(calibration[1::2], new))
    assert (p <= alpha).mean() <= 0.06


def test_p_values_by_category_fall_back_to_all_where_a_category_is_small(
    rng: np.random.Generator,
) -> None:
    calibration = rng.normal(size=30)
    categories = np.array([0] * 25 + [1] * 5)
    new = rng.normal(size=6)
    p = p_values_by_category(calibration, categories, new, np.array([1, 1, 1, 2, 2, 2]), 19)
    np.testing.assert_array_equal(p, p_values(calibration, new))


def test_p_values_are_the_same_however_often_each_listing_is_there(
    rng: np.random.Generator,
) -> None:
    calibration, new = rng.normal(size=50), rng.normal(size=20)
    weights = voices(np.repeat(np.arange(50), 4))
    p = p_values(np.repeat(calibration, 4), new, weights)
    np.testing.assert_allclose(p, p_values(calibration, new))
    by_category = p_values_by_category(
        np.repeat(calibration, 4), np.zeros(200, int), new, np.zeros(20, int), 51, weights
    )
    np.testing.assert_allclose(by_category, p)  # 50 voices aren't 51, however many listings


def test_refused_share_of_new_groups_is_at_most_alpha(rng: np.random.Generator) -> None:
    # forty sellers of one to thirty listings, each seller stranger or more ordinary than others
    refused, alpha = [], 0.1
    for _ in range(3000):
        sizes = rng.integers(1, 31, size=41)
        groups = np.repeat(np.arange(41), sizes)
        scores = rng.normal(size=41)[groups] + 0.1 * rng.normal(size=len(groups))
        new = groups == 40
        weights = voices(groups[~new])
        refused.append((p_values(scores[~new], scores[new], weights) <= alpha).mean())
    assert np.mean(refused) <= alpha + 3.5 * np.std(refused) / np.sqrt(len(refused))
    assert np.mean(refused) >= alpha / 2
