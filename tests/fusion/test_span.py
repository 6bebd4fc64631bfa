import numpy as np
import pytest
from scipy.sparse import csr_matrix
from shelfsure.fusion.softmax_regression import fit_softmax
from shelfsure.fusion.span import Span


def many_features(seed: int = 0, n: int = 40, d: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (1 + rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.5)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_span_keeps_all_that_rows_say_about_each_other(kind) -> None:
    features = many_features()
    span = Span.of(kind(features))
    assert span is not None
    centred = features - features.mean(axis=0)
    np.testing.assert_allclose(span.rows @ span.rows.T, centred @ centred.T, atol=1e-3)
    assert span.rows.shape[1] == 39
    np.testing.assert_allclose(
        np.diag(span.curvature.variances), span.rows.T @ span.rows / 40, atol=1e-4
    )


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_a_head_of_the_span_is_the_head_of_the_features(kind) -> None:
    features, labels = many_features(1), np.arange(40) % 3
    direct = fit_softmax(kind(features), labels, 3, 3.0, tolerance=1e-8)
    span = Span.of(kind(features))
    assert span is not None
    inside = fit_softmax(span.rows, labels, 3, 3.0, None, span.curvature, tolerance=1e-8)
    coefficients, intercepts = span.unspanned(*inside)
    np.testing.assert_allclose(coefficients, direct[0], atol=2e-3)
    other = many_features(2)
    answers = other @ coefficients.T + intercepts
    wanted = other @ direct[0].T + direct[1]
    between = np.ptp(answers - wanted, axis=1)  # up to what all categories have more
    np.testing.assert_allclose(between, 0, atol=0.02)


def test_span_is_none_where_it_saves_nothing() -> None:
    assert Span.of(many_features(n=50, d=50)) is None
    assert Span.of(np.ones((5, 10), np.float32)) is None
