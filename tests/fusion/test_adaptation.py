"""Heads move towards new listings, and only as far as they must."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import log_softmax
from shelfsure.core.arrays import Floats, Ints
from shelfsure.fusion.adaptation import (
    PROTOTYPE_WEIGHTS,
    Labelled,
    adapt_head,
    recalibrate_head,
    refit_head,
    refit_prototypes,
)
from shelfsure.fusion.heads import INVERSE_REGULARISATION, LinearHead, fit_head
from shelfsure.fusion.prototypes import fit_prototypes

K, D = 3, 12


def listings(rng: np.random.Generator, n: int, moved: float = 0.0) -> tuple[Floats, Ints]:
    labels = np.arange(n) % K
    features = np.eye(K, D)[labels] + moved * np.roll(np.eye(K, D)[labels], 1, axis=1)
    features = features + rng.normal(0, 0.3, (n, D))
    return features.astype(np.float32), labels


@pytest.fixture
def head(rng: np.random.Generator) -> LinearHead:
    fitted = fit_head(*listings(rng, 90), K, 3.0)
    return LinearHead(fitted.coefficients, fitted.intercepts, temperature=2.0)


def test_a_strength_of_0_changes_nothing_but_the_form(
    head: LinearHead, rng: np.random.Generator
) -> None:
    features, labels = listings(rng, 30)
    same = adapt_head(head, features, labels, 0.0)
    assert same.temperature == 1
    np.testing.assert_allclose(
        same.log_probabilities(features), head.log_probabilities(features), rtol=1e-4
    )


def test_adapt_head_finds_what_a_search_over_coefficients_finds(
    head: LinearHead, rng: np.random.Generator
) -> None:
    features, labels = listings(rng, 40, moved=1.5)
    strength, before = 3.0, head.logits(features) / head.temperature

    def objective(flat: Floats) -> float:
        moved = flat.reshape(K, D)
        answers = log_softmax(before + features @ moved.T, axis=1)
        return float(-answers[np.arange(40), labels].sum() + (flat**2).sum() / 2 / strength)

    found = minimize(objective, np.zeros(K * D), options={"maxiter": 500}).x.reshape(K, D)
    adapted = adapt_head(head, features, labels, strength)
    moved = adapted.coefficients - head.coefficients / head.temperature
    np.testing.assert_allclose(moved, found, atol=0.02)


def test_adapt_head_does_the_same_with_sparse_features(
    head: LinearHead, rng: np.random.Generator
) -> None:
    features, labels = listings(rng, 40, moved=1.5)
    dense = adapt_head(head, features, labels, 3.0)
    sparse = adapt_head(head, csr_matrix(features), labels, 3.0)
    np.testing.assert_allclose(sparse.coefficients, dense.coefficients, atol=1e-3)


def test_recalibrate_head_is_right_more_often_on_listings_that_have_moved(
    head: LinearHead, rng: np.random.Generator
) -> None:
    features, labels = listings(rng, 240, moved=2.0)
    new, truth = listings(rng, 600, moved=2.0)
    adapted, held_out = recalibrate_head(head, features, labels, np.arange(240) % 5)
    before = (head.logits(new).argmax(axis=1) == truth).mean()
    after = (adapted.logits(new).argmax(axis=1) == truth).mean()
    assert after > before + 0.1
    # what it says of listings that it wasn't adapted to is what new ones get
    assert (held_out.argmax(axis=1) == labels).mean() == pytest.approx(after, abs=0.06)


def test_recalibrate_head_leaves_a_head_where_labels_say_nothing_new(
    head: LinearHead, rng: np.random.Generator
) -> None:
    features, labels = listings(rng, 60)
    wrong = rng.permutation(labels)
    adapted, _ = recalibrate_head(head, features, wrong, np.arange(60) % 5)
    assert adapted.temperature > 5  # it isn't sure of anything any more
    np.testing.assert_allclose(adapted.coefficients, head.coefficients / 2, rtol=1e-5)


def test_refit_head_lets_new_listings_count_as_much_as_all_the_others(
    rng: np.random.Generator,
) -> None:
    known, (features, labels) = Labelled(*listings(rng, 120)), listings(rng, 30, moved=2.0)
    often = np.tile(np.arange(30), 4)
    repeated = fit_head(
        np.concatenate([known.features, features[often]]),
        np.concatenate([known.labels, labels[often]]),
        K,
        3.0,
    )
    refitted = refit_head(known, features, labels, K, 3.0)
    np.testing.assert_allclose(refitted.coefficients, repeated.coefficients, atol=0.03)


def test_recalibrate_head_uses_training_listings_where_they_help(rng: np.random.Generator) -> None:
    # a head that was badly fitted, and more to learn from than the new listings
    bad = LinearHead(np.zeros((K, D), np.float32), np.zeros(K, np.float32))
    known, (features, labels) = Labelled(*listings(rng, 300)), listings(rng, 30)
    folds = np.arange(30) % 5
    alone, held_alone = recalibrate_head(bad, features, labels, folds)
    both, held_both = recalibrate_head(bad, features, labels, folds, known)
    loss = [-answers[np.arange(30), labels].mean() for answers in (held_alone, held_both)]
    assert loss[1] < 0.9 * loss[0]
    assert any(
        np.allclose(both.coefficients, refit_head(known, features, labels, K, c).coefficients)
        for c in INVERSE_REGULARISATION
    )
    assert not np.allclose(both.coefficients, alone.coefficients)


def test_recalibrate_head_places_prototypes_by_the_new_listings_where_they_contradict_the_old(
    rng: np.random.Generator,
) -> None:
    # what was a category's place is another's now
    known, (features, labels) = Labelled(*listings(rng, 300)), listings(rng, 60)
    labels = (labels + 1) % K
    new, truth = listings(rng, 300)
    old = fit_prototypes(known.features, known.labels, K)
    folds = np.arange(60) % 5
    placed, held_out = recalibrate_head(old, features, labels, folds, known, prototypes=True)
    assert (held_out.argmax(axis=1) == labels).mean() > 0.9
    assert (placed.logits(new).argmax(axis=1) == (truth + 1) % K).mean() > 0.95
    kept, _ = recalibrate_head(old, *listings(rng, 60), folds, known, prototypes=True)
    assert (kept.logits(new).argmax(axis=1) == truth).mean() > 0.95


def test_prototypes_keep_the_place_of_a_category_that_no_new_listing_shows(
    rng: np.random.Generator,
) -> None:
    known, (features, labels) = Labelled(*listings(rng, 300)), listings(rng, 60, moved=0.5)
    shown = labels < K - 1
    placed = refit_prototypes(known, features[shown], labels[shown], K, PROTOTYPE_WEIGHTS[-1])
    new, truth = listings(rng, 300)
    assert (placed.logits(new).argmax(axis=1)[truth == K - 1] == K - 1).mean() > 0.9
