import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.special import log_softmax
from shelfsure.fusion import softmax_regression
from shelfsure.fusion.softmax_regression import Curvature, fit_softmax
from sklearn.linear_model import LogisticRegression

Fitted = tuple[np.ndarray, np.ndarray]


def drawn(seed: int, n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Features far from 0 with a steep spectrum, as embeddings have; every category is there."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % k)
    scale = np.arange(1, d + 1) ** -0.7
    features = 1 + (rng.normal(size=(k, d))[labels] + rng.normal(size=(n, d))) * scale
    return features.astype(np.float32), labels


def objective(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, c: float, fitted: Fitted
) -> float:
    coefficients, intercepts = (part.astype(np.float64) for part in fitted)
    answers = log_softmax(features.astype(np.float64) @ coefficients.T + intercepts, axis=1)
    losses = -answers[np.arange(len(labels)), labels]
    return float(c * (weights * losses).sum() + (coefficients**2).sum() / 2)


def reference(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, c: float
) -> LogisticRegression:
    model = LogisticRegression(C=c, max_iter=5000, tol=1e-7)
    return model.fit(features.astype(np.float64), labels, sample_weight=weights)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(12, 80), st.integers(1, 60), st.integers(3, 6)),
    c=st.sampled_from([0.01, 3.0, 300.0]),
    sparse=st.booleans(),
    repeated=st.booleans(),
)
def test_fit_softmax_is_as_low_as_scikit_learn(
    seed: int, shape: tuple[int, int, int], c: float, sparse: bool, repeated: bool
) -> None:
    features, labels = drawn(seed, *shape)
    weights = np.random.default_rng(seed).uniform(0.2, 5, len(labels))
    if repeated:
        features, labels = np.repeat(features, 2, axis=0), np.repeat(labels, 2)
        weights = np.repeat(weights, 2)
    model = reference(features, labels, weights, c)
    lowest = objective(features, labels, weights, c, (model.coef_, model.intercept_))
    given_features = csr_matrix(features) if sparse else features
    fitted = fit_softmax(given_features, labels, shape[2], c, weights, tolerance=1e-7)
    assert objective(features, labels, weights, c, fitted) <= lowest * 1.001 + 1e-6


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("k", [2, 4])
def test_fit_softmax_answers_as_scikit_learn(sparse: bool, k: int) -> None:
    features, labels = drawn(1, 200, 30, k)
    model = reference(features, labels, np.ones(200), 3.0)
    # of two categories, scikit-learn has the difference alone bear the penalty
    coefficients, intercepts = fit_softmax(
        csr_matrix(features) if sparse else features,
        labels,
        k,
        3.0 if k > 2 else 1.5,
        tolerance=1e-8,
    )
    answers = np.exp(log_softmax(features @ coefficients.T + intercepts, axis=1))
    np.testing.assert_allclose(answers, model.predict_proba(features), atol=3e-3)


def test_fit_softmax_takes_a_weight_of_two_for_two_rows() -> None:
    features, labels = drawn(2, 60, 10, 3)
    twice = np.concatenate([features, features[:20]]), np.concatenate([labels, labels[:20]])
    repeated = fit_softmax(*twice, 3, 3.0)
    weighted = fit_softmax(features, labels, 3, 3.0, np.where(np.arange(60) < 20, 2.0, 1.0))
    np.testing.assert_allclose(weighted[0], repeated[0], atol=0.03)


def test_fit_softmax_finds_the_same_with_a_curvature_of_other_rows() -> None:
    features, labels = drawn(3, 400, 20, 5)
    part = np.arange(400) % 4 > 0
    own = fit_softmax(features[part], labels[part], 5, 30.0, tolerance=1e-8)
    shared = Curvature.of(features)
    other = fit_softmax(features[part], labels[part], 5, 30.0, None, shared, tolerance=1e-8)
    np.testing.assert_allclose(other[0], own[0], atol=0.02 * np.abs(own[0]).max())


@pytest.mark.parametrize("sparse", [True, False])
def test_fit_softmax_does_not_depend_on_the_block_size(
    monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    features, labels = drawn(4, 300, 20, 4)
    given_features = csr_matrix(features) if sparse else features
    whole = fit_softmax(given_features, labels, 4, 3.0)
    monkeypatch.setattr(softmax_regression, "BLOCK_ROWS", 70)
    blocks = fit_softmax(given_features, labels, 4, 3.0)
    np.testing.assert_allclose(blocks[0], whole[0], atol=0.01)


def test_fit_softmax_needs_fewer_looks_where_it_knows_the_curvature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    labels, scale = np.arange(400) % 20, np.arange(1, 101) ** -0.5
    features = rng.normal(size=(20, 100))[labels] + 4 * rng.normal(size=(400, 100))
    features = (features * scale / 20).astype(np.float32)
    looks = []
    look = softmax_regression._Problem.value_and_slope
    monkeypatch.setattr(
        softmax_regression._Problem,
        "value_and_slope",
        lambda self, x: looks.append(1) or look(self, x),
    )
    sphere = Curvature(features.mean(axis=0), np.ones(100, np.float32), None)
    counts = []
    for curvature in (None, sphere):
        looks.clear()
        fit_softmax(features, labels, 5, 30.0, None, curvature)
        counts.append(len(looks))
    assert 1 < counts[0] < 0.8 * counts[1]


def test_fit_softmax_of_constant_features_answers_the_shares() -> None:
    labels = np.array([0, 0, 0, 1])
    coefficients, intercepts = fit_softmax(np.ones((4, 3), np.float32), labels, 2, 3.0)
    np.testing.assert_allclose(coefficients, 0, atol=1e-5)
    np.testing.assert_allclose(np.exp(log_softmax(intercepts)), [0.75, 0.25], rtol=1e-4)
