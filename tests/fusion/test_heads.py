import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix
from shelfsure.core.errors import TrainingError
from shelfsure.fusion.calibration import fit_temperature
from shelfsure.fusion.heads import (
    FLOOR,
    LinearHead,
    choose_c,
    fit_calibrated,
    fit_head,
    held_out_logits,
    tempered,
)
from shelfsure.fusion.views import View
from sklearn.linear_model import LogisticRegression

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]


def blobs(rng: np.random.Generator, n: int, k: int, noise: float = 1.0) -> tuple[Array, Labels]:
    """Noisy copies of k orthogonal directions."""
    labels = rng.integers(0, k, n)
    return (np.eye(k)[labels] + noise * rng.normal(size=(n, k))).astype(np.float32), labels


def whole(features: Array) -> View:
    return View(features, np.ones(len(features), dtype=bool))


@pytest.mark.parametrize("seen", [[0, 1], [0, 1, 2, 3]])
def test_fit_head_equals_scikit_learn(rng: np.random.Generator, seen: list[int]) -> None:
    features, labels = blobs(rng, 120, len(seen))
    reference = LogisticRegression(C=3.0, max_iter=1000, tol=1e-8)
    reference.fit(features.astype(np.float64), labels)
    head = fit_head(features, labels, len(seen), 3.0)
    expected = reference.predict_log_proba(features)
    # the floor moves every probability by less than itself
    np.testing.assert_allclose(
        np.exp(head.log_probabilities(features)),
        np.exp(expected) * (1 - FLOOR) + FLOOR / len(seen),
        atol=0.01,
    )


@pytest.mark.parametrize("k", [20, 150])
def test_fit_head_learns_many_categories_of_one_size(rng: np.random.Generator, k: int) -> None:
    """Embeddings that mostly resemble each other; the slope at the start is below 0.001."""
    centres = rng.normal(size=(k, 300)) * 0.3 + 1.0

    def photos(n: int) -> Array:
        rows = np.repeat(centres, n, axis=0) + rng.normal(size=(n * k, 300)) * 0.3
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    head = fit_head(photos(12), np.repeat(np.arange(k), 12), k, 30.0)
    answers = head.logits(photos(4)).argmax(axis=1)
    assert (answers == np.repeat(np.arange(k), 4)).mean() > 0.9


@pytest.mark.parametrize("seen", [[0, 3], [1, 2, 3]])
def test_fit_head_gives_an_unseen_category_the_floor_only(
    rng: np.random.Generator, seen: list[int]
) -> None:
    features, places = blobs(rng, 90, len(seen), noise=0.3)
    labels = np.array(seen)[places]
    head = fit_head(features, labels, 5, 3.0)
    probabilities = np.exp(head.log_probabilities(features))
    unseen = [k for k in range(5) if k not in seen]
    np.testing.assert_allclose(probabilities[:, unseen], FLOOR / 5, rtol=1e-3)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9


def test_fit_head_needs_two_categories() -> None:
    with pytest.raises(TrainingError, match="at least 2 categories, got 1"):
        fit_head(np.ones((4, 2), np.float32), np.zeros(4, dtype=int), 3, 1.0)


def test_fit_head_is_the_same_for_sparse_features(rng: np.random.Generator) -> None:
    features, labels = blobs(rng, 100, 3)
    dense = fit_head(features, labels, 3, 3.0).log_probabilities(features)
    sparse = csr_matrix(features)
    np.testing.assert_allclose(
        fit_head(sparse, labels, 3, 3.0).log_probabilities(sparse), dense, atol=0.05
    )


@given(
    logits=hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e4, 1e4)),
    temperature=st.floats(0.02, 50),
)
def test_tempered_sums_to_one_has_a_floor_and_keeps_the_order(
    logits: npt.NDArray[np.float64], temperature: float
) -> None:
    answer = tempered(logits, temperature)
    np.testing.assert_allclose(np.exp(answer).sum(axis=1), 1, rtol=1e-9)
    assert (answer >= np.log(FLOOR / 4) - 1e-9).all()
    in_order = np.take_along_axis(answer, np.argsort(logits, axis=1), axis=1)
    assert (np.diff(in_order, axis=1) >= -1e-12).all()


def test_log_probabilities_divides_by_the_temperature() -> None:
    head = LinearHead(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), temperature=4.0)
    answer = np.exp(head.log_probabilities(np.array([[8.0, 0.0]], np.float32)))
    assert answer[0, 0] == pytest.approx((1 - FLOOR) / (1 + np.exp(-2)) + FLOOR / 2)


def test_held_out_logits_come_from_heads_that_never_saw_the_row(
    rng: np.random.Generator,
) -> None:
    # each row has a feature of its own: who saw the row knows its label, who didn't knows nothing
    n = 60
    labels = rng.permutation(np.arange(n) % 3)
    folds = np.arange(n) % 5
    features = np.eye(n, dtype=np.float32) * 10
    logits = held_out_logits(whole(features), labels, 3, folds, 100.0)
    seen = fit_head(features, labels, 3, 100.0).logits(features)
    assert (seen.argmax(axis=1) == labels).all()
    for fold in range(5):  # only the intercepts are left, the same for every row of the fold
        np.testing.assert_allclose(np.ptp(logits[folds == fold], axis=0), 0, atol=1e-3)


@pytest.mark.parametrize("candidates", [(1e-6, 10.0), (10.0, 1e-6)])
def test_choose_c_fits_closely_where_that_pays(
    rng: np.random.Generator, candidates: tuple[float, ...]
) -> None:
    # the strongest direction is noise; only a close fit finds the weak one that tells
    n = 200
    labels = rng.integers(0, 2, n)
    features = np.column_stack([rng.normal(0, 10, n), 0.1 * labels]).astype(np.float32)
    folds = np.arange(n) % 4
    assert choose_c(whole(features), labels, 2, folds, (1e-6, 1e4))[0] == 1e4
    features, labels = blobs(rng, n, 3, noise=0.2)
    assert choose_c(whole(features), labels, 3, folds, candidates)[0] == 10.0


@pytest.mark.parametrize(("n", "chosen"), [(200, 10.0), (2000, 1e-6)])
def test_choose_c_asks_every_fold_where_one_is_small(
    rng: np.random.Generator, n: int, chosen: float
) -> None:
    features, labels = blobs(rng, n, 3, noise=0.2)
    folds = np.arange(n) % 4
    labels[folds == 0] = (labels[folds == 0] + 1) % 3  # the first fold is wrong
    assert choose_c(whole(features), labels, 3, folds, (1e-6, 10.0))[0] == chosen


def test_choose_c_asks_only_rows_that_calibrate(rng: np.random.Generator) -> None:
    features, labels = blobs(rng, 400, 3, noise=0.2)
    folds, calibration_mask = np.arange(400) % 4, np.arange(400) % 7 == 0
    wrong = labels.copy()
    wrong[~calibration_mask] = (labels[~calibration_mask] + 1) % 3
    # what most rows teach is wrong for those that calibrate: the looser the better
    partly = View(features, np.ones(400, dtype=bool), in_encoder_train_set=~calibration_mask)
    assert choose_c(partly, wrong, 3, folds, (1e-6, 10.0))[0] == 1e-6
    assert choose_c(whole(features), wrong, 3, folds, (1e-6, 10.0))[0] == 10.0


def test_fit_calibrated_needs_no_further_temperature(rng: np.random.Generator) -> None:
    features, labels = blobs(rng, 600, 4, noise=0.7)
    folds = np.arange(600) % 5
    head, held_out = fit_calibrated(whole(features), labels, 4, folds)
    assert fit_temperature(held_out, labels) == pytest.approx(1.0, abs=0.05)
    fresh, truth = blobs(rng, 2000, 4, noise=0.7)
    assert fit_temperature(head.log_probabilities(fresh), truth) == pytest.approx(1.0, abs=0.15)


def test_fit_calibrated_is_deterministic(rng: np.random.Generator) -> None:
    features, labels = blobs(rng, 100, 3)
    folds = np.arange(100) % 4
    (one, first), (other, second) = (
        fit_calibrated(whole(features), labels, 3, folds) for _ in range(2)
    )
    np.testing.assert_array_equal(one.coefficients, other.coefficients)
    np.testing.assert_array_equal(first, second)
    assert one.temperature == other.temperature
