"""What every way of fusing must keep: `FusionClassifier`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_matrix
from shelfsure.core.errors import TrainingError
from shelfsure.core.files import files_in
from shelfsure.fusion.classifier import FusionClassifier
from shelfsure.fusion.held_out import HeldOut
from shelfsure.fusion.storage import METHODS, load_classifier, save_classifier
from shelfsure.fusion.views import Modalities, View, restrict, take

K = 3
PATTERNS = [frozenset({"photo"}), frozenset({"title"}), frozenset({"photo", "title"})]


@dataclass(frozen=True)
class Drawn:
    """Listings whose photo and title both hint at the label; every fifth lacks one of them."""

    views: dict[str, View]
    labels: npt.NDArray[np.intp]


def draw(seed: int, n: int = 200, noise: float = 0.5) -> Drawn:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % K)
    row = rng.permutation(n)
    masks = {"photo": row % 10 != 0, "title": row % 10 != 1}

    def view(part: str, dim: int) -> View:
        seen = np.eye(dim)[labels] + noise * rng.normal(size=(n, dim))
        return View((seen * masks[part][:, None]).astype(np.float32), masks[part])

    words = view("title", 30)
    views = {  # not in alphabetical order: that must not matter
        "title_tfidf": View(csr_matrix(words.features * (words.features > 0.5)), words.present),
        "title_embedding": view("title", 5),
        "photo": view("photo", 4),
    }
    return Drawn(views, labels)


@dataclass(frozen=True)
class Trained:
    classifier: FusionClassifier
    held_out: Mapping[Modalities, HeldOut]
    drawn: Drawn


@pytest.fixture(scope="module", params=METHODS)
def trained(request: pytest.FixtureRequest) -> Trained:
    drawn = draw(0)
    folds = np.arange(len(drawn.labels)) % 4
    return Trained(*METHODS[request.param].fit(drawn.views, drawn.labels, K, folds), drawn)


def right(log_probabilities: npt.NDArray[Any], labels: npt.NDArray[np.intp]) -> float:
    return float((log_probabilities.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: "+".join(sorted(pattern)))
def test_log_probabilities_are_probabilities_that_know_something(
    trained: Trained, pattern: Modalities
) -> None:
    fresh = draw(1)
    answer = trained.classifier.log_probabilities(restrict(fresh.views, pattern))
    assert answer.shape == (len(fresh.labels), K)
    assert np.isfinite(answer).all()
    np.testing.assert_allclose(np.exp(answer).sum(axis=1), 1, atol=1e-5)
    assert right(answer, fresh.labels) > 0.7


def test_log_probabilities_uses_all_that_is_there(trained: Trained) -> None:
    fresh = draw(1)
    both = right(trained.classifier.log_probabilities(fresh.views), fresh.labels)
    alone = [
        right(trained.classifier.log_probabilities(restrict(fresh.views, {part})), fresh.labels)
        for part in ("photo", "title")
    ]
    assert both > max(alone)


@pytest.mark.parametrize("part", ["photo", "title"])
def test_log_probabilities_are_alike_whether_a_modality_is_absent_or_blank(
    trained: Trained, part: str
) -> None:
    views = draw(1).views
    blank = {
        name: View(view.features * 0, np.zeros_like(view.present))
        for name, view in views.items()
        if name not in restrict(views, {part})
    }
    only = restrict(views, {part})
    np.testing.assert_allclose(
        trained.classifier.log_probabilities(only | blank),
        trained.classifier.log_probabilities(only),
        atol=1e-5,
    )


def test_log_probabilities_depend_neither_on_other_rows_nor_on_order(trained: Trained) -> None:
    views = draw(1).views
    answer = trained.classifier.log_probabilities(views)
    order = np.random.default_rng(2).permutation(len(answer))
    permuted = trained.classifier.log_probabilities(take(views, order))
    np.testing.assert_allclose(permuted, answer[order], atol=1e-5)
    reversed_names = dict(reversed(views.items()))
    np.testing.assert_allclose(
        trained.classifier.log_probabilities(reversed_names), answer, atol=1e-5
    )
    for row in range(10):
        one = trained.classifier.log_probabilities(take(views, [row]))
        np.testing.assert_allclose(one[0], answer[row], atol=1e-5)


def test_log_probabilities_of_a_row_without_any_view_are_the_shares(trained: Trained) -> None:
    views = {
        name: View(view.features * 0, np.zeros_like(view.present))
        for name, view in take(trained.drawn.views, [0, 1]).items()
    }
    counts = np.bincount(trained.drawn.labels, minlength=K) + 1
    answer = np.exp(trained.classifier.log_probabilities(views))
    np.testing.assert_allclose(answer, np.tile(counts / counts.sum(), (2, 1)), rtol=1e-5)


def test_save_and_load_gives_identical_answers(trained: Trained, tmp_path: Path) -> None:
    document = json.loads(json.dumps(save_classifier(trained.classifier, tmp_path)))
    loaded = load_classifier(files_in(tmp_path), document)
    assert type(loaded) is type(trained.classifier)
    views = draw(1).views
    for pattern in PATTERNS:
        seen = restrict(views, pattern)
        np.testing.assert_array_equal(
            loaded.log_probabilities(seen), trained.classifier.log_probabilities(seen)
        )


def test_fit_gives_held_out_answers_for_each_pattern_of_the_rows_that_have_it(
    trained: Trained,
) -> None:
    assert set(trained.held_out) == set(PATTERNS)
    views = trained.drawn.views
    has = {"photo": views["photo"].present, "title": views["title_tfidf"].present}
    for pattern, held in trained.held_out.items():
        expected = np.flatnonzero(np.all([has[part] for part in pattern], axis=0))
        np.testing.assert_array_equal(held.rows, expected)
        assert held.log_probabilities.shape == (len(expected), K)
        np.testing.assert_allclose(np.exp(held.log_probabilities).sum(axis=1), 1, atol=1e-5)


def test_held_out_answers_are_as_often_right_as_those_for_new_listings(trained: Trained) -> None:
    fresh = draw(1, n=1000)
    for pattern, held in trained.held_out.items():
        answer = trained.classifier.log_probabilities(restrict(fresh.views, pattern))
        there = np.all([view.present for view in restrict(fresh.views, pattern).values()], axis=0)
        expected = right(answer[there], fresh.labels[there])
        assert right(held.log_probabilities, trained.drawn.labels[held.rows]) == pytest.approx(
            expected, abs=0.1
        )


@pytest.mark.parametrize("method", METHODS)
def test_held_out_answers_come_from_models_that_saw_neither_the_row_nor_its_duplicate(
    method: str,
) -> None:
    # Two listings of each product, half of the labels drawn at random. A product has a direction
    # of its own: whoever saw it or its duplicate knows its label, everybody else only its kind.
    n = 100
    rng = np.random.default_rng(3)
    kinds = rng.permutation(np.arange(n) % K)
    labels = np.tile(np.where(rng.random(n) < 0.5, kinds, rng.integers(0, K, n)), 2)
    known_to_all = float((np.tile(kinds, 2) == labels).mean())
    folds = np.tile(np.arange(n) % 5, 2)
    everyone = np.ones(2 * n, dtype=bool)
    seen = np.tile(np.hstack([np.eye(K)[kinds] / 2, np.eye(n)]).astype(np.float32), (2, 1))
    views = {"photo": View(seen, everyone), "title_tfidf": View(csr_matrix(seen), everyone)}
    classifier, held_out = METHODS[method].fit(views, labels, K, folds)
    assert right(classifier.log_probabilities(views), labels) > known_to_all + 0.2
    assert set(held_out) == set(PATTERNS)
    for held in held_out.values():
        assert right(held.log_probabilities, labels[held.rows]) < known_to_all + 0.03
    # the same test sees a leak: with duplicates in different folds, they give the label away
    _, leaky = METHODS[method].fit(views, labels, K, np.arange(2 * n) % 7)
    for held in leaky.values():
        assert right(held.log_probabilities, labels[held.rows]) > known_to_all + 0.1


@pytest.mark.parametrize("method", METHODS)
def test_fit_answers_only_who_is_asked(method: str) -> None:
    drawn = draw(0)
    asked, folds = np.arange(len(drawn.labels)) % 2 == 0, np.arange(len(drawn.labels)) // 2 % 4
    given = (drawn.views, drawn.labels, K, folds)
    _, every = METHODS[method].fit(*given)
    _, some = METHODS[method].fit(*given, asked=asked)
    assert set(some) == set(every)
    for pattern, held in some.items():
        expected = every[pattern].rows[asked[every[pattern].rows]]
        np.testing.assert_array_equal(held.rows, expected)
        assert held.log_probabilities.shape == (len(held.rows), K)
        same = every[pattern].log_probabilities[np.isin(every[pattern].rows, held.rows)]
        agree = held.log_probabilities.argmax(axis=1) == same.argmax(axis=1)
        assert agree.mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_fit_refuses_too_few_listings(method: str) -> None:
    drawn = draw(0, n=20)
    with pytest.raises(TrainingError, match=r"needs 30 listings.*among 20"):
        METHODS[method].fit(drawn.views, drawn.labels, K, np.arange(20) % 4)


@pytest.mark.parametrize("method", METHODS)
def test_fit_answers_for_a_category_that_has_one_listing(method: str) -> None:
    drawn = draw(0)
    labels = np.where(np.arange(len(drawn.labels)) == 7, K, drawn.labels)
    classifier, held_out = METHODS[method].fit(
        drawn.views, labels, K + 1, np.arange(len(labels)) % 4
    )
    answer = classifier.log_probabilities(drawn.views)
    assert answer.shape[1] == K + 1
    for log_probabilities in (answer, *(held.log_probabilities for held in held_out.values())):
        assert np.isfinite(log_probabilities).all()
