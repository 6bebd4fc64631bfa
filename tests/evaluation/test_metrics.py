import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.arrays import Floats, Ints
from shelfsure.evaluation.metrics import (
    coverage_precision_curve,
    expected_calibration_error,
    log_loss,
    macro_f1,
    reliability_curve,
    top_k_accuracy,
    weighted_f1,
)
from torchmetrics.classification import MulticlassCalibrationError


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Floats, Ints]:
    n, k = draw(st.integers(1, 60)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.dirichlet(np.full(k, 0.5), size=n), rng.integers(0, k, n)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_accuracy_agrees_with_scikit_learn(k: int, rng: np.random.Generator) -> None:
    probabilities, labels = rng.dirichlet(np.ones(9), size=300), rng.integers(0, 9, 300)
    expected = reference.top_k_accuracy_score(labels, probabilities, k=k, labels=range(9))
    assert top_k_accuracy(probabilities, labels, k) == pytest.approx(expected)


@given(predictions())
def test_top_k_accuracy_grows_with_k_up_to_one(drawn: tuple[Floats, Ints]) -> None:
    shares = [top_k_accuracy(*drawn, k) for k in range(1, 12)]
    assert shares == sorted(shares)
    assert shares[drawn[0].shape[1] - 1 :] == [1.0] * (12 - drawn[0].shape[1])


def test_top_k_accuracy_breaks_ties_as_argmax_does() -> None:
    tied = np.full((3, 3), 1 / 3)
    assert top_k_accuracy(tied, np.array([0, 1, 2]), 1) == pytest.approx(1 / 3)
    assert top_k_accuracy(tied, np.array([0, 1, 2]), 2) == pytest.approx(2 / 3)


def test_top_k_accuracy_refuses_k_below_one() -> None:
    with pytest.raises(ValueError, match="but is 0"):
        top_k_accuracy(np.ones((1, 1)), np.array([0]), 0)


def test_f1_counts_categories_that_occur_only_among_predictions() -> None:
    predicted, labels = np.array([0, 0, 1, 5]), np.array([0, 0, 1, 1])
    # F1 is 1, 2/3 and 0; category 5 was predicted, never true
    assert macro_f1(predicted, labels) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert weighted_f1(predicted, labels) == pytest.approx((2 * 1 + 2 * 2 / 3) / 4)


@given(predictions())
def test_log_loss_agrees_with_scikit_learn(drawn: tuple[Floats, Ints]) -> None:
    probabilities, labels = drawn
    k = probabilities.shape[1]
    expected = reference.log_loss(labels, probabilities, labels=np.arange(k)) if k > 1 else 0.0
    assert log_loss(probabilities, labels) == pytest.approx(expected, abs=1e-9)


def test_log_loss_of_a_sure_mistake_is_finite() -> None:
    assert 30 < log_loss(np.array([[1.0, 0.0]]), np.array([1])) < 40


@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_expected_calibration_error_agrees_with_torchmetrics(
    n_bins: int, rng: np.random.Generator
) -> None:
    probabilities = rng.dirichlet(np.full(6, 0.4), size=500)
    labels = rng.integers(0, 6, 500)
    metric = MulticlassCalibrationError(num_classes=6, n_bins=n_bins, norm="l1")
    expected = metric(torch.from_numpy(probabilities), torch.from_numpy(labels))
    found = expected_calibration_error(probabilities, labels, n_bins)
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_expected_calibration_error_counts_a_probability_of_exactly_one() -> None:
    sure = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert expected_calibration_error(sure, np.array([0, 1, 1, 1])) == pytest.approx(0.75)


def test_expected_calibration_error_is_the_gap_by_construction() -> None:
    # 10 answers at .9, 8 right; 10 at .6, 6 right: gaps .1 and 0
    stated = np.array([0.9] * 10 + [0.6] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [0] * 6 + [1] * 4)
    probabilities = np.column_stack([stated, 1 - stated])
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.05)


def test_expected_calibration_error_vanishes_where_labels_follow_the_probabilities(
    rng: np.random.Generator,
) -> None:
    probabilities = rng.dirichlet(np.ones(4), size=100_000)
    labels = (probabilities.cumsum(axis=1) < rng.random((100_000, 1))).sum(axis=1)
    assert expected_calibration_error(probabilities, labels) < 0.01


@given(predictions(), st.integers(1, 20), st.randoms(use_true_random=False))
def test_expected_calibration_error_is_a_share_and_ignores_order(
    drawn: tuple[Floats, Ints], n_bins: int, random: object
) -> None:
    probabilities, labels = drawn
    error = expected_calibration_error(probabilities, labels, n_bins)
    assert 0 <= error <= 1
    rows = np.random.default_rng(0).permutation(len(labels))
    again = expected_calibration_error(probabilities[rows], labels[rows], n_bins)
    assert again == pytest.approx(error)


@given(predictions(), st.integers(1, 20))
def test_reliability_curve_loses_no_listing(drawn: tuple[Floats, Ints], n_bins: int) -> None:
    probabilities, labels = drawn
    curve = reliability_curve(probabilities, labels, n_bins)
    assert curve.n.sum() == len(labels)
    assert curve.n.min() > 0
    right = (probabilities.argmax(axis=1) == labels).sum()
    assert (curve.accuracy * curve.n).sum() == pytest.approx(right)
    assert np.all(np.diff(curve.confidence) > 0)


def test_coverage_precision_curve_passes_ties_together() -> None:
    curve = coverage_precision_curve(
        np.array([0.5, 0.9, 0.5, 0.7]), np.array([True, True, False, False])
    )
    np.testing.assert_allclose(curve.threshold, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 1.0])
    np.testing.assert_allclose(curve.precision, [1.0, 0.5, 0.5])


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.booleans()), min_size=1))
def test_coverage_precision_curve_is_what_each_threshold_gives(
    rows: list[tuple[float, bool]],
) -> None:
    confidence, correct = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    curve = coverage_precision_curve(confidence, correct)
    assert len(curve.threshold) == len(np.unique(confidence))
    for threshold, coverage, precision in zip(
        curve.threshold, curve.coverage, curve.precision, strict=True
    ):
        passed = confidence >= threshold
        assert coverage == pytest.approx(passed.mean())
        assert precision == pytest.approx(correct[passed].mean())


def test_metrics_name_both_shapes_on_a_mismatch() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\) and \(5,\)"):
        log_loss(np.full((4, 3), 1 / 3), np.zeros(5, dtype=int))
    with pytest.raises(ValueError, match=r"\(4,\) and \(5,\)"):
        macro_f1(np.zeros(4, dtype=int), np.zeros(5, dtype=int))
    with pytest.raises(ValueError, match=r"\(0,\) and \(0,\)"):
        coverage_precision_curve(np.array([]), np.array([], dtype=bool))


def test_metrics_refuse_labels_without_a_column() -> None:
    with pytest.raises(ValueError, match="columns 0 to 2, but go from -1 to 2"):
        top_k_accuracy(np.full((2, 3), 1 / 3), np.array([-1, 2]))
