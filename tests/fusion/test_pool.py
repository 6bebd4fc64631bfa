import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from shelfsure.core.errors import CalibrationError
from shelfsure.fusion.calibration import log_loss
from shelfsure.fusion.pool import PRIOR_STRENGTH, cross_fitted_pool, fit_weights, pool

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]


def independent_experts(seed: int, n: int, noises: tuple[float, ...]) -> tuple[list[Array], Labels]:
    """Each expert sees the truth through its own Gaussian noise and answers as Bayes would."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    truth = np.eye(3)[labels]
    seen = [(truth + noise * rng.normal(size=(n, 3))) / noise**2 for noise in noises]
    return [log_softmax(x, axis=1) for x in seen], labels


def test_fit_weights_of_independent_experts_with_even_shares_are_one() -> None:
    # Bayes multiplies the answers of independent experts where categories are equally common
    experts, labels = independent_experts(0, 8000, (0.6, 1.0))
    np.testing.assert_allclose(fit_weights(experts, labels), [1, 1], atol=0.1)


def test_fit_weights_lets_identical_experts_share() -> None:
    (expert,), labels = independent_experts(1, 500, (0.8,))
    alone = fit_weights([expert], labels)
    both = fit_weights([expert, expert], labels)
    assert both[0] == pytest.approx(both[1], rel=1e-3)
    assert both.sum() == pytest.approx(alone.sum(), abs=0.02)


def test_fit_weights_gives_a_useless_expert_nothing() -> None:
    (expert,), labels = independent_experts(2, 3000, (0.7,))
    noise = log_softmax(np.random.default_rng(3).normal(0, 3, expert.shape), axis=1)
    weights = fit_weights([expert, noise], labels)
    assert weights[1] == pytest.approx(0, abs=0.02)
    assert weights[0] == pytest.approx(1, abs=0.1)


def test_fit_weights_gives_a_misleading_expert_nothing_rather_than_less() -> None:
    experts, labels = independent_experts(9, 1000, (0.8, 0.8))
    weights = fit_weights([experts[0], log_softmax(-experts[1], axis=1)], labels)
    assert weights[1] == 0
    assert weights[0] > 0.8


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_fit_weights_of_one_expert_is_its_inverse_temperature(temperature: float) -> None:
    (expert,), labels = independent_experts(4, 6000, (0.8,))
    (weight,) = fit_weights([expert * temperature], labels)
    assert weight == pytest.approx(1 / temperature, rel=0.05)


def test_fit_weights_stays_near_equal_with_few_listings() -> None:
    experts, labels = independent_experts(5, 3, (0.3, 3.0))
    np.testing.assert_allclose(fit_weights(experts, labels), [0.5, 0.5], atol=0.2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 80), n_experts=st.integers(1, 4))
def test_fit_weights_is_the_lowest_point_around(seed: int, n: int, n_experts: int) -> None:
    experts, labels = independent_experts(seed, n, tuple(np.linspace(0.4, 2, n_experts)))
    equal = 1 / n_experts

    def penalised(weights: Array) -> float:
        pull = PRIOR_STRENGTH / n * ((weights - equal) ** 2).sum()
        return log_loss(pool(experts, weights.tolist()), labels) + float(pull)

    found = fit_weights(experts, labels)
    assert (found >= 0).all()
    rng = np.random.default_rng(seed)
    for size in (0.01, 0.1, 1.0):
        step = rng.normal(0, size, n_experts)
        assert penalised(found) <= penalised(np.maximum(found + step, 0)) + 1e-5


@pytest.mark.parametrize(
    ("n_experts", "n", "message"), [(0, 3, "got 0 and 3"), (2, 0, "got 2 and 0")]
)
def test_fit_weights_needs_an_expert_and_a_listing(n_experts: int, n: int, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        fit_weights([np.zeros((n, 2))] * n_experts, np.zeros(n, dtype=int))


def test_pool_of_one_expert_is_that_expert_and_weight_zero_silences() -> None:
    (one, other), _ = independent_experts(6, 20, (0.5, 1.0))
    np.testing.assert_allclose(pool([one], [1.0]), one)
    np.testing.assert_allclose(pool([one, other], [1.0, 0.0]), one)
    np.testing.assert_allclose(pool([one, other], [0.0, 0.0]), np.log(1 / 3))


def test_pool_multiplies_and_renormalises() -> None:
    one, other = np.array([[0.8, 0.2]]), np.array([[0.4, 0.6]])
    product = one**2 * other**0.5
    expected = product / product.sum()
    np.testing.assert_allclose(np.exp(pool([np.log(one), np.log(other)], [2, 0.5])), expected)


@given(seed=st.integers(0, 100), weights=st.lists(st.floats(0, 5), min_size=1, max_size=4))
def test_pool_ignores_the_order_of_experts(seed: int, weights: list[float]) -> None:
    experts, _ = independent_experts(seed, 5, (1.0,) * len(weights))
    straight = pool(experts, weights)
    np.testing.assert_allclose(softmax(straight, axis=1).sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(straight).sum(axis=1), 1)
    np.testing.assert_allclose(pool(experts[::-1], weights[::-1]), straight, atol=1e-9)


def test_cross_fitted_pool_never_looks_at_the_labels_of_the_fold_it_answers() -> None:
    experts, labels = independent_experts(7, 200, (0.5, 1.0))
    folds = np.arange(200) % 4
    before = cross_fitted_pool(experts, labels, folds)
    changed = np.where(folds == 2, (labels + 1) % 3, labels)
    after = cross_fitted_pool(experts, changed, folds)
    np.testing.assert_array_equal(after[folds == 2], before[folds == 2])
    assert (after[folds != 2] != before[folds != 2]).any()


def test_cross_fitted_pool_uses_the_weights_of_the_other_folds() -> None:
    experts, labels = independent_experts(8, 90, (0.5, 1.0))
    folds = np.repeat([3, 5, 9], 30)
    pooled = cross_fitted_pool(experts, labels, folds)
    out = folds == 5
    weights = fit_weights([e[~out] for e in experts], labels[~out])
    np.testing.assert_allclose(pooled[out], pool([e[out] for e in experts], weights.tolist()))
