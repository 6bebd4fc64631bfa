import numpy as np
import pytest
from scipy.sparse import issparse
from shelfsure.fusion import alternatives
from shelfsure.fusion.alternatives import (
    DROPOUT,
    JOINT,
    Concatenation,
    Stacking,
    cross_fit,
    drop_modalities,
)
from shelfsure.fusion.calibration import log_loss
from shelfsure.fusion.heads import LinearHead
from shelfsure.fusion.views import View, Views, n_rows, restrict

LABELS = np.arange(120) % 3
FOLDS = np.arange(120) // 4 % 4


def random_views(rng: np.random.Generator, n: int, missing: float = 0.0) -> dict[str, View]:
    photo, title = rng.random((2, n)) >= missing
    features = {"photo": 3, "title_embedding": 2, "title_tfidf": 4}
    masks = {"photo": photo, "title_embedding": title, "title_tfidf": title}
    return {
        name: View((rng.normal(size=(n, d)) * masks[name][:, None]).astype("f4"), masks[name])
        for name, d in features.items()
    }


def test_drop_modalities_blanks_whole_modalities_and_never_all_that_is_there(
    rng: np.random.Generator,
) -> None:
    views = random_views(rng, 4000, missing=0.4)
    after = drop_modalities(views)
    kept = {name: np.diff(view.features.indptr) > 0 for name, view in after.items()}
    for name, view in after.items():
        assert issparse(view.features)
        before = views[name].features
        np.testing.assert_array_equal(view.features.toarray()[kept[name]], before[kept[name]])
    np.testing.assert_array_equal(kept["title_embedding"], kept["title_tfidf"])
    photo, title = views["photo"].present, views["title_embedding"].present
    np.testing.assert_array_equal(kept["photo"] | kept["title_tfidf"], photo | title)
    # of listings with both, a modality goes unless the other went too
    lost = 1 - kept["photo"][photo & title].mean()
    assert lost == pytest.approx(DROPOUT * (1 - DROPOUT), abs=0.03)


def test_concatenation_bears_a_missing_modality_because_it_trained_without(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = np.ones(120, dtype=bool)
    truth = np.eye(3)[LABELS]
    views = {
        "photo": View((truth + 0.1 * rng.normal(size=(120, 3))).astype("f4"), everyone),
        "title_embedding": View((truth + 0.6 * rng.normal(size=(120, 3))).astype("f4"), everyone),
    }
    title = restrict(views, {"title"})

    def loss() -> float:
        model = Concatenation.fit_only(views, LABELS, 3, FOLDS)
        return log_loss(model.log_probabilities(title), LABELS)

    with_dropout = loss()
    monkeypatch.setattr(alternatives, "DROPOUT", 0.0)
    assert with_dropout < 0.8 * loss()


def test_concatenation_sets_views_side_by_side_in_the_order_of_training() -> None:
    coefficients = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 4]], dtype=np.float32)
    head = LinearHead(coefficients, np.zeros(3, np.float32))
    model = Concatenation({JOINT: head}, {"photo": 1, "title_tfidf": 2}, np.zeros(3, np.float32))
    one = np.ones(1, dtype=bool)
    views = {
        "title_tfidf": View(np.array([[5.0, 7.0]], np.float32), one),
        "photo": View(np.array([[3.0]], np.float32), one),
        "description_embedding": View(np.ones((1, 9), np.float32), one),
    }
    expected = head.log_probabilities(np.array([[3.0, 5.0, 7.0]], np.float32))
    np.testing.assert_allclose(model.log_probabilities(views), expected)


def test_stacking_takes_the_categories_shares_for_a_view_that_is_missing() -> None:
    # the joint head passes the photo's and the title's answers through, added up
    joint = LinearHead(np.hstack([np.eye(2), np.eye(2)]).astype("f4"), np.zeros(2, np.float32))
    photo = LinearHead(np.array([[4.0], [0.0]], np.float32), np.zeros(2, np.float32))
    log_prior = np.log([0.75, 0.25]).astype(np.float32)
    model = Stacking({"photo": photo, "title_tfidf": photo, JOINT: joint}, log_prior)
    features = np.ones((1, 1), np.float32)
    answer = model.log_probabilities({"photo": View(features, np.ones(1, dtype=bool))})
    alone = np.exp(photo.log_probabilities(features)[0]) * [0.75, 0.25]
    np.testing.assert_allclose(np.exp(answer[0]), alone / alone.sum(), atol=1e-3)


@pytest.mark.parametrize("method", [Concatenation, Stacking])
def test_cross_fit_never_looks_at_the_labels_of_the_fold_it_answers(
    rng: np.random.Generator, method: type[Concatenation] | type[Stacking]
) -> None:
    views = random_views(rng, 120)

    def answers(labels: np.ndarray) -> list[np.ndarray]:
        held_out = cross_fit(method.fit_only, views, labels, 3, FOLDS)
        return [held.log_probabilities for held in held_out.values()]

    changed = np.where(FOLDS == 2, (LABELS + 1) % 3, LABELS)
    pairs = list(zip(answers(LABELS), answers(changed), strict=True))
    assert len(pairs) == 3
    for before, after in pairs:
        np.testing.assert_array_equal(after[FOLDS == 2], before[FOLDS == 2])
        assert (after[FOLDS != 2] != before[FOLDS != 2]).any()


class Spy:
    """Answers how many views it saw, and whether the photo was among them."""

    def log_probabilities(self, views: Views) -> np.ndarray:
        return np.tile([len(views), "photo" in views], (n_rows(views), 1))


def test_cross_fit_asks_each_pattern_without_the_other_modalities(
    rng: np.random.Generator,
) -> None:
    held_out = cross_fit(lambda *_: Spy(), random_views(rng, 120), LABELS, 2, FOLDS)
    answers = {pattern: held.log_probabilities for pattern, held in held_out.items()}
    expected = {("photo",): [1, 1], ("title",): [2, 0], ("photo", "title"): [3, 1]}
    assert set(answers) == {frozenset(parts) for parts in expected}
    for parts, answer in expected.items():
        np.testing.assert_array_equal(answers[frozenset(parts)], np.tile(answer, (120, 1)))
