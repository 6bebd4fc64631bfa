import numpy as np
import pytest
import shelfsure.fusion.classifier as classifier_module
from scipy.linalg import inv, sqrtm
from scipy.sparse import csr_matrix, issparse
from shelfsure.core.arrays import unit_rows
from shelfsure.core.files import files_in
from shelfsure.fusion.adaptation import recalibrate_head
from shelfsure.fusion.classifier import LateFusion
from shelfsure.fusion.heads import LinearHead
from shelfsure.fusion.many_categories import (
    LEANINGS,
    SHRINKAGES,
    Chosen,
    Solve,
    calibrated_solution,
    choose,
    fit_whitened_prototypes,
    fit_word_means,
    leaning,
    word_weights,
)
from shelfsure.fusion.prototypes import fit_prototypes
from shelfsure.fusion.storage import load_classifier, save_classifier
from shelfsure.fusion.views import View
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

K, DIM, N = 30, 16, 600
LABELS = np.arange(N) % K
FOLDS = np.arange(N) // K % 5


def drawn(rng: np.random.Generator, labels: np.ndarray, scale: np.ndarray) -> np.ndarray:
    centres = np.random.default_rng(7).normal(size=(K, DIM))
    rows = centres[labels] + scale * rng.normal(size=(len(labels), DIM))
    return np.asarray(rows, dtype=np.float32)


def whole(features: np.ndarray) -> View:
    return View(features, np.ones(features.shape[0], dtype=bool))


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
def test_fit_whitened_prototypes_are_prototypes_of_whitened_features(
    rng: np.random.Generator, shrinkage: float
) -> None:
    features = drawn(rng, LABELS, np.linspace(0.3, 2, DIM))
    (head,) = fit_whitened_prototypes(features, LABELS, K, [shrinkage])
    within = LinearDiscriminantAnalysis(solver="lsqr").fit(features, LABELS).covariance_
    within *= DIM / np.trace(within)
    whitener = inv(sqrtm((1 - shrinkage) * within + shrinkage * np.eye(DIM))).real
    white = ((features - features.mean(axis=0)) @ whitener).astype(np.float32)
    expected = fit_prototypes(white, LABELS, K).logits(white)
    np.testing.assert_allclose(head.logits(features), expected, atol=1e-3)


def test_fit_whitened_prototypes_leave_names_and_missing_categories_as_prototypes_do(
    rng: np.random.Generator,
) -> None:
    known = LABELS > 0
    features = unit_rows(drawn(rng, LABELS, np.full(DIM, 0.3)))
    names = unit_rows(drawn(rng, np.arange(K), np.full(DIM, 0.3)))
    seen = features[known], LABELS[known], K
    for given in (None, names):
        plain = fit_prototypes(*seen, given)
        whole_sphere, some = fit_whitened_prototypes(*seen, [1.0, 0.5], given)
        np.testing.assert_allclose(
            whole_sphere.logits(features), plain.logits(features), rtol=1e-3, atol=1e-3
        )
        found, as_plain = (
            (head.logits(features[~known]).argmax(axis=1) == 0).mean() for head in (some, plain)
        )
        assert found == pytest.approx(as_plain, abs=0.15)
        assert (found > 0.5) == (given is not None)


def test_fit_whitened_prototypes_go_by_the_nearest_mean_where_each_category_has_one_example(
    rng: np.random.Generator,
) -> None:
    examples = unit_rows(drawn(rng, np.arange(K), np.full(DIM, 0.2)))
    asked = unit_rows(drawn(rng, LABELS, np.full(DIM, 0.2)))
    (head,) = fit_whitened_prototypes(examples, np.arange(K), K, [0.05])
    plain = fit_prototypes(examples, np.arange(K), K)
    np.testing.assert_allclose(head.logits(asked), plain.logits(asked), rtol=1e-3, atol=1e-3)


def test_fit_word_means_gives_cosines_to_the_means_and_stays_sparse() -> None:
    features = csr_matrix(np.array([[0.6, 0.8, 0], [0.8, 0.6, 0], [0, 0, 1]], dtype=np.float32))
    head = fit_word_means(features, np.array([0, 0, 2]), 3)
    assert issparse(head.coefficients)
    assert head.coefficients.dtype == np.float32
    assert head.coefficients.nnz == 3
    asked = csr_matrix(np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32))
    expected = [[10 * np.sqrt(0.5), -30, 0], [0, -30, 10]]
    np.testing.assert_allclose(head.logits(asked), expected, rtol=1e-5)
    np.testing.assert_allclose(head.logits(asked.toarray()), expected, rtol=1e-5)


def test_fit_word_means_goes_by_the_words_that_tell_categories_apart() -> None:
    # half of each title is a word that all share
    features = csr_matrix(np.array([[0.8, 0.6, 0], [0.8, 0, 0.6]], dtype=np.float32))
    head = fit_word_means(features, np.array([0, 1]), 2)
    asked = csr_matrix(np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32))
    np.testing.assert_allclose(head.logits(asked), [[0, 0], [10, 0]], atol=1e-5)


def test_word_weights_are_the_share_of_the_entropy_that_a_word_takes_away() -> None:
    means = np.array([[1, 2, 0, 3], [1, 0, 0, 1], [1, 2, 0, 0], [1, 0, 0, 0]])
    log_k, of_last = np.log(4), -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    expected = [0, 1 - np.log(2) / log_k, 1, 1 - of_last / log_k]
    np.testing.assert_allclose(
        word_weights(csr_matrix(means, dtype=np.float32)), expected, atol=1e-6
    )
    # categories without words, and one alone with some
    few = csr_matrix(np.array([[1, 2], [0, 0]], dtype=np.float32))
    np.testing.assert_array_equal(word_weights(few), [1, 1])


def test_leaning_adds_the_logarithm_of_examples_and_leaves_the_unseen_alone() -> None:
    head = LinearHead(np.zeros((3, 2), np.float32), np.array([0, 1, -30], np.float32))
    moved = leaning(head, np.array([0, 0, 0, 1]), 0.5)
    expected = [0.5 * np.log(4), 1 + 0.5 * np.log(2), -30]
    np.testing.assert_allclose(moved.intercepts, expected, rtol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_calibrated_solution_answers_by_others_and_says_how_sure(
    rng: np.random.Generator, sparse: bool
) -> None:
    def seen(labels: np.ndarray) -> View:
        rows = drawn(rng, labels, np.full(DIM, 1.0))
        return whole(csr_matrix(unit_rows(np.maximum(rows, 0))) if sparse else unit_rows(rows))

    view = seen(LABELS)
    head, held_out = calibrated_solution(view, LABELS, K, FOLDS)
    right = held_out.argmax(axis=1) == LABELS
    assert np.exp(held_out.max(axis=1)).mean() == pytest.approx(right.mean(), abs=0.06)
    fresh = np.arange(3000) % K
    answers = head.log_probabilities(seen(fresh).features)
    assert (answers.argmax(axis=1) == fresh).mean() == pytest.approx(right.mean(), abs=0.06)
    # no answer depends on the label of its own row
    other = LABELS.copy()
    other[0] = 5
    same = calibrated_solution(view, other, K, FOLDS)[1][0]
    assert same.argmax() == held_out[0].argmax()


def test_calibrated_solution_answers_only_who_is_asked(rng: np.random.Generator) -> None:
    view, asked = whole(drawn(rng, LABELS, np.full(DIM, 0.8))), np.arange(N) % 3 == 0
    _, every = calibrated_solution(view, LABELS, K, FOLDS)
    _, some = calibrated_solution(view, LABELS, K, FOLDS, asked=asked)
    assert some.shape == (asked.sum(), K)
    np.testing.assert_array_equal(some.argmax(axis=1), every[asked].argmax(axis=1))


def whitened(features: np.ndarray, labels: np.ndarray, shrinkages: tuple) -> list[LinearHead]:
    return fit_whitened_prototypes(features, labels, K, shrinkages)


SOLVE: Solve = whitened


def test_choose_leaves_a_covariance_alone_that_is_well_known(rng: np.random.Generator) -> None:
    uneven = whole(drawn(rng, LABELS, np.where(np.arange(DIM) < 8, 6.0, 0.4)))
    assert choose(SOLVE, SHRINKAGES, uneven, LABELS, K, FOLDS).shrinkage == SHRINKAGES[0]
    few = np.arange(3 * K) % K
    round_noise = whole(drawn(rng, few, np.full(DIM, 1.5)))
    folds = np.arange(3 * K) // K
    assert choose(SOLVE, SHRINKAGES, round_noise, few, K, folds).shrinkage > SHRINKAGES[0]
    alone = whole(drawn(rng, np.arange(K), np.full(DIM, 0.5)))
    found = choose(SOLVE, SHRINKAGES, alone, np.arange(K), K, np.arange(K) % 2)
    assert found == Chosen(SHRINKAGES[-1], 0)


def test_choose_leans_towards_large_categories_where_examples_say_so(
    rng: np.random.Generator,
) -> None:
    shares = np.where(np.arange(K) < 3, 20.0, 1.0)
    uneven = rng.choice(K, N, p=shares / shares.sum())
    folds, blurred = rng.integers(0, 5, N), np.full(DIM, 2.5)
    unlike = choose(SOLVE, [0.9], whole(unit_rows(drawn(rng, uneven, blurred))), uneven, K, folds)
    assert unlike.leaning > LEANINGS[0]
    # so it answers more listings than without
    seen = unit_rows(drawn(rng, uneven, blurred))
    (head,) = whitened(seen, uneven, (0.9,))
    fresh = rng.choice(K, 3000, p=shares / shares.sum())
    asked = unit_rows(drawn(rng, fresh, blurred))
    right = [
        (each.logits(asked).argmax(axis=1) == fresh).mean()
        for each in (head, leaning(head, uneven, unlike.leaning))
    ]
    assert right[1] > right[0] + 0.02


@pytest.fixture
def views(rng: np.random.Generator) -> dict[str, View]:
    words = unit_rows(np.maximum(drawn(rng, LABELS, np.full(DIM, 1.0)), 0))
    return {
        "photo": whole(unit_rows(drawn(rng, LABELS, np.full(DIM, 1.5)))),
        "title_tfidf": whole(csr_matrix(words)),
    }


def test_late_fusion_of_many_categories_is_one_solved_expert_a_view(
    views: dict[str, View], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, _ = LateFusion.fit(views, LABELS, K, FOLDS)
    monkeypatch.setattr(classifier_module, "MANY", K - 1)
    many, held_out = LateFusion.fit(views, LABELS, K, FOLDS)
    assert list(many.heads) == ["photo", "title_tfidf"]
    assert issparse(many.heads["title_tfidf"].coefficients)
    before, after = (fitted.log_probabilities(views) for fitted in (few, many))
    right = [(answers.argmax(axis=1) == LABELS).mean() for answers in (before, after)]
    assert right[1] > right[0] - 0.1
    both = held_out[frozenset({"photo", "title"})].log_probabilities
    assert (both.argmax(axis=1) == LABELS).mean() > 0.7
    document = save_classifier(many, tmp_path)
    loaded = load_classifier(files_in(tmp_path), document)
    np.testing.assert_array_equal(loaded.log_probabilities(views), after)


def test_load_classifier_refuses_sparse_coefficients_with_places_that_are_not_there(
    views: dict[str, View], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_module, "MANY", K - 1)
    fitted, _ = LateFusion.fit(views, LABELS, K, FOLDS)
    fitted.heads["title_tfidf"].coefficients.indices[0] = K
    document = save_classifier(fitted, tmp_path)
    with pytest.raises(ValueError, match=r"indices|index"):
        load_classifier(files_in(tmp_path), document)


def test_recalibrate_head_moves_only_the_temperature_of_a_sparse_one(
    rng: np.random.Generator, views: dict[str, View]
) -> None:
    head, _ = calibrated_solution(views["title_tfidf"], LABELS, K, FOLDS)
    wrong = rng.permutation(LABELS)
    moved, answers = recalibrate_head(head, views["title_tfidf"].features, wrong, FOLDS)
    assert issparse(moved.coefficients)
    assert np.exp(answers.max(axis=1)).mean() < 0.2
