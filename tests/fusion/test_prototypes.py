import numpy as np
import pytest
from shelfsure.core.arrays import unit_rows
from shelfsure.fusion.calibration import log_loss
from shelfsure.fusion.classifier import LateFusion
from shelfsure.fusion.prototypes import calibrated_prototypes, fit_prototypes
from shelfsure.fusion.views import View, have_sisters, with_prototypes

K, DIM = 40, 32


def clustered(
    rng: np.random.Generator, centres: np.ndarray, labels: np.ndarray, noise: float = 0.12
) -> np.ndarray:
    return unit_rows(centres[labels] + noise * rng.normal(size=(len(labels), centres.shape[1])))


@pytest.fixture
def centres(rng: np.random.Generator) -> np.ndarray:
    return unit_rows(rng.normal(size=(K, DIM)))


def test_fit_prototypes_gives_centred_cosines_to_the_means_of_examples() -> None:
    features = unit_rows(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]]))
    labels = np.array([0, 0, 1, 1])
    centre = features.mean(axis=0)
    asked = np.array([[0.6, 0.8]], dtype=np.float32)
    means = np.stack([features[:2].mean(axis=0), features[2:].mean(axis=0)]) - centre
    cosines = means @ (asked[0] - centre) / np.linalg.norm(means, axis=1)
    logits = fit_prototypes(features, labels, 2).logits(asked)
    np.testing.assert_allclose(logits[0], 10 * cosines, rtol=1e-5)


def test_a_weight_counts_as_so_many_copies(rng: np.random.Generator, centres: np.ndarray) -> None:
    labels = np.repeat(np.arange(4), 3)
    features = clustered(rng, centres, labels, 0.5)
    often = np.where(np.arange(12) % 3 == 0, 5, 1)
    weighted = fit_prototypes(features, labels, 4, weights=often)
    copied = fit_prototypes(np.repeat(features, often, axis=0), np.repeat(labels, often), 4)
    np.testing.assert_allclose(weighted.coefficients, copied.coefficients, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weighted.intercepts, copied.intercepts, rtol=1e-4, atol=1e-5)


def test_one_example_a_category_is_enough(rng: np.random.Generator, centres: np.ndarray) -> None:
    head = fit_prototypes(clustered(rng, centres, np.arange(K)), np.arange(K), K)
    asked = np.repeat(np.arange(K), 5)
    right = head.logits(clustered(rng, centres, asked)).argmax(axis=1) == asked
    assert right.mean() > 0.9


def test_a_name_stands_in_for_an_example(rng: np.random.Generator, centres: np.ndarray) -> None:
    labels = np.repeat(np.arange(K - 1), 3)
    features, names = clustered(rng, centres, labels), clustered(rng, centres, np.arange(K))
    asked = clustered(rng, centres, np.full(20, K - 1))
    nameless, named = (fit_prototypes(features, labels, K, given) for given in (None, names))
    assert not (nameless.logits(asked).argmax(axis=1) == K - 1).any()
    assert (named.logits(asked).argmax(axis=1) == K - 1).mean() > 0.9


def test_calibrated_prototypes_answer_by_others_and_say_how_sure(
    rng: np.random.Generator, centres: np.ndarray
) -> None:
    labels = rng.permutation(np.repeat(np.arange(K), 6))
    view = View(clustered(rng, centres, labels, 0.3), np.ones(len(labels), dtype=bool))
    folds = np.arange(len(labels)) % 5
    head, held_out = calibrated_prototypes(view, labels, K, folds)
    right = held_out.argmax(axis=1) == labels
    assert np.exp(held_out.max(axis=1)).mean() == pytest.approx(right.mean(), abs=0.06)
    fresh = rng.permutation(np.repeat(np.arange(K), 20))
    answers = head.log_probabilities(clustered(rng, centres, fresh, 0.3))
    assert log_loss(answers, fresh) < log_loss(held_out, labels) + 0.1  # it has seen more
    # a row's own label changes nothing about the answer to it
    other = labels.copy()
    other[0] = (other[0] + 1) % K
    same = calibrated_prototypes(view, other, K, folds)[1][0]
    assert same.argmax() == held_out[0].argmax()


def test_have_sisters_needs_an_example_in_another_fold() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    folds = np.array([0, 1, 1, 1, 0])
    np.testing.assert_array_equal(have_sisters(labels, folds), [True, True, False, False, False])


def test_fusion_knows_small_categories_and_stays_calibrated(rng: np.random.Generator) -> None:
    """Large categories and one-example ones: the latter are named, none spoils the others."""
    centres = unit_rows(rng.normal(size=(30, DIM)))
    labels = np.concatenate([np.repeat(np.arange(10), 30), np.arange(10, 30)])
    everyone = np.ones(len(labels), dtype=bool)
    views = {"title_embedding": View(clustered(rng, centres, labels), everyone)}
    fusion, held_out = LateFusion.fit(views, labels, 30, np.arange(len(labels)) % 5)
    asked = np.repeat(np.arange(30), 5)
    seen = View(clustered(rng, centres, asked), np.ones(len(asked), dtype=bool))
    answers = fusion.log_probabilities({"title_embedding": seen})
    right = answers.argmax(axis=1) == asked
    assert right[asked < 10].mean() > 0.95
    head = fusion.heads["title_embedding"].logits(seen.features).argmax(axis=1) == asked
    assert right[asked >= 10].mean() > 0.3 + head[asked >= 10].mean()
    assert held_out[frozenset({"title"})].log_probabilities.shape == (320, 30)
    assert set(fusion.heads) == set(with_prototypes(views))


def test_fusion_of_one_example_each_knows_all_by_photo_by_title_and_better_by_both(
    rng: np.random.Generator,
) -> None:
    """Nobody can be answered by others, so nothing is fitted, and prototypes count the same."""
    k, labels = 40, np.arange(40)
    centres = {name: unit_rows(rng.normal(size=(k, DIM))) for name in ("photo", "title_embedding")}

    def drawn(asked: np.ndarray) -> dict[str, View]:
        there = np.ones(len(asked), dtype=bool)
        return {n: View(clustered(rng, c, asked, 0.25), there) for n, c in centres.items()}

    fusion, _ = LateFusion.fit(drawn(labels), labels, k, labels % 5)
    asked = np.repeat(labels, 10)
    views = drawn(asked)

    def right(*parts: str) -> float:
        seen = {name: view for name, view in views.items() if name in parts}
        return float((fusion.log_probabilities(seen).argmax(axis=1) == asked).mean())

    alone = right("photo"), right("title_embedding")
    assert min(alone) > 0.3
    assert right("photo", "title_embedding") > max(alone) + 0.1
