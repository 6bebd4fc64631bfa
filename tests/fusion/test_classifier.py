from dataclasses import replace

import numpy as np
import pytest
from shelfsure.fusion.alternatives import Concatenation, Stacking
from shelfsure.fusion.calibration import log_loss
from shelfsure.fusion.classifier import (
    FusionClassifier,
    LateFusion,
    log_shares,
    trainable,
)
from shelfsure.fusion.heads import LinearHead
from shelfsure.fusion.held_out import MIN_ROWS, HeldOut
from shelfsure.fusion.views import View, all_patterns, restrict, take

PHOTO, TITLE, BOTH = frozenset({"photo"}), frozenset({"title"}), frozenset({"photo", "title"})
LABELS = np.arange(120) % 3
FOLDS = np.arange(120) // 4 % 4


def expert(*favour: float) -> LinearHead:
    """Answers the same for every listing."""
    return LinearHead(np.zeros((len(favour), 1), np.float32), np.log(favour).astype(np.float32))


def there(*mask: bool) -> View:
    return View(np.zeros((len(mask), 1), np.float32), np.array(mask, dtype=bool))


@pytest.fixture
def by_hand() -> LateFusion:
    heads = {
        "photo": expert(0.6, 0.2, 0.2),
        "title_embedding": expert(0.2, 0.6, 0.2),
        "title_tfidf": expert(0.1, 0.1, 0.8),
    }
    weights = {
        PHOTO: {"photo": 1.0},
        BOTH: {"photo": 0.0, "title_embedding": 2.0, "title_tfidf": 0.0},
    }
    return LateFusion(heads, weights, np.log([0.5, 0.3, 0.2]).astype(np.float32))


def test_log_probabilities_uses_each_rows_own_weights(by_hand: LateFusion) -> None:
    title = there(True, False, False)
    views = {
        "photo": there(True, True, False), "title_embedding": title, "title_tfidf": title,
    }  # fmt: skip
    answer = np.exp(by_hand.log_probabilities(views))
    squared = np.array([0.04, 0.36, 0.04]) / 0.44
    np.testing.assert_allclose(answer[0], squared, atol=2e-3)
    np.testing.assert_allclose(answer[1], [0.6, 0.2, 0.2], atol=2e-3)
    np.testing.assert_allclose(answer[2], [0.5, 0.3, 0.2], atol=1e-6)


def test_log_probabilities_ignores_a_view_that_was_never_trained(by_hand: LateFusion) -> None:
    known = {"photo": there(True, False)}
    extra = known | {"description_embedding": there(True, True)}
    np.testing.assert_array_equal(
        by_hand.log_probabilities(extra), by_hand.log_probabilities(known)
    )


def test_log_probabilities_of_no_listing_is_empty(by_hand: LateFusion) -> None:
    assert by_hand.log_probabilities({"photo": there()}).shape == (0, 3)


def test_weights_for_an_unseen_pattern_shares_out_those_of_its_modalities() -> None:
    heads = {name: expert(0.5, 0.5) for name in ("photo", "title_embedding", "title_tfidf")}
    weights = {PHOTO: {"photo": 0.8}, TITLE: {"title_embedding": 0.6, "title_tfidf": 0.2}}
    fusion = LateFusion(heads, weights, np.zeros(2, np.float32))
    assert fusion.weights_for(PHOTO) == {"photo": 0.8}
    assert fusion.weights_for(BOTH) == pytest.approx(
        {"photo": 0.4, "title_embedding": 0.3, "title_tfidf": 0.1}
    )


def test_fit_loses_nothing_by_a_view_that_knows_nothing(rng: np.random.Generator) -> None:
    everyone = np.ones(120, dtype=bool)
    good = np.eye(3)[LABELS] + 0.4 * rng.normal(size=(120, 3))
    views = {
        "photo": View(rng.normal(size=(120, 3)).astype("f4"), everyone),
        "title_embedding": View(good.astype("f4"), everyone),
    }
    fusion, held_out = LateFusion.fit(views, LABELS, 3, FOLDS)
    assert set(fusion.weights) == set(held_out) == {PHOTO, TITLE, BOTH}
    loss = {name: log_loss(held.log_probabilities, LABELS) for name, held in held_out.items()}
    assert loss[TITLE] < 0.7 < 1.05 < loss[PHOTO]
    assert loss[BOTH] < loss[TITLE] + 0.02


def test_fit_skips_a_view_that_too_few_listings_have(rng: np.random.Generator) -> None:
    few = np.arange(120) < MIN_ROWS - 1
    everyone = np.ones(120, dtype=bool)
    features = rng.normal(size=(120, 3)).astype("f4")
    views = {
        "photo": View(features * few[:, None], few),
        "title_embedding": View(features, everyone),
    }
    fusion, held_out = LateFusion.fit(views, LABELS, 3, FOLDS)
    assert list(fusion.heads) == ["title_embedding", "title_prototypes"]
    assert list(held_out) == [TITLE]


def test_fit_knows_no_pattern_that_too_few_listings_have(rng: np.random.Generator) -> None:
    rows = np.arange(120)
    features = rng.normal(size=(120, 3)).astype("f4")
    photo, title = rows < 70, rows >= 70 - (MIN_ROWS - 1)
    views = {
        "photo": View(features * photo[:, None], photo),
        "title_embedding": View(features * title[:, None], title),
    }
    fusion, held_out = LateFusion.fit(views, LABELS, 3, FOLDS)
    assert set(held_out) == set(fusion.weights) == {PHOTO, TITLE}
    # rows that have both are answered all the same
    answer = np.exp(fusion.log_probabilities(views))
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("present", "labels", "folds", "expected"),
    [
        (np.ones(120, dtype=bool), LABELS, FOLDS, True),
        (np.arange(120) < MIN_ROWS, LABELS, FOLDS, True),
        (np.arange(120) < MIN_ROWS - 1, LABELS, FOLDS, False),
        (np.ones(120, dtype=bool), LABELS, np.zeros(120, dtype=int), False),
        (np.ones(120, dtype=bool), np.zeros(120, dtype=int), FOLDS, False),
        # category 1 is all in fold 0: without that fold there is one category left
        (np.ones(120, dtype=bool), (FOLDS == 0).astype(int), FOLDS, False),
    ],
)
def test_trainable_needs_rows_and_two_categories_outside_each_fold(
    present: np.ndarray, labels: np.ndarray, folds: np.ndarray, expected: bool
) -> None:
    assert trainable(present, labels, folds) is expected


def test_all_patterns_lists_every_set_of_modalities_once() -> None:
    names = dict.fromkeys(["photo", "title_embedding", "title_tfidf", "description_embedding"])
    found = all_patterns(names)
    assert len(found) == len(set(found)) == 7
    assert frozenset({"photo", "title", "description"}) in found
    assert frozenset() not in found


def test_log_shares_leaves_no_category_impossible() -> None:
    shares = np.exp(log_shares(np.array([0, 0, 0, 2]), 3))
    np.testing.assert_allclose(shares, [4 / 7, 1 / 7, 2 / 7], rtol=1e-6)


def memorised(rng: np.random.Generator, in_encoder_train_set: np.ndarray | None) -> dict[str, View]:
    """A photo that gives the label away on the first 60 rows and is noise on the rest."""
    photo = rng.normal(0, 1, (120, 3)).astype(np.float32)
    photo[:60] = 8 * np.eye(3)[LABELS[:60]]
    title = (np.eye(3)[LABELS] + rng.normal(0, 0.4, (120, 3))).astype(np.float32)
    everyone = np.ones(120, dtype=bool)
    return {
        "photo": View(photo, everyone, in_encoder_train_set),
        "title_embedding": View(title, everyone),
    }


def test_fit_calibrates_on_rows_that_the_encoder_has_not_learned(rng: np.random.Generator) -> None:
    folds = np.arange(120) // 3 % 4
    in_encoder_train_set = np.arange(120) < 60
    naive, _ = LateFusion.fit(memorised(rng, None), LABELS, 3, folds)
    honest, held_out = LateFusion.fit(memorised(rng, in_encoder_train_set), LABELS, 3, folds)
    new = take(memorised(rng, None), np.arange(60, 120))  # another draw: its photos say nothing
    photos = restrict(new, PHOTO)
    losses = [log_loss(m.log_probabilities(photos), LABELS[60:]) for m in (honest, naive)]
    assert losses[0] < np.log(3) + 0.05 < losses[1]  # honest: it doesn't know
    assert set(held_out[BOTH].rows) == set(held_out[PHOTO].rows) == set(range(60, 120))
    assert len(held_out[TITLE].rows) == 120
    assert honest.heads["photo"].temperature > naive.heads["photo"].temperature


def learned_by_fold_encoders(
    rng: np.random.Generator, n: int = 240
) -> tuple[dict[str, View], np.ndarray, np.ndarray]:
    """Give labels away to an average, and to each of two others for its half."""
    labels, everyone, half = np.arange(n) % 3, np.ones(n, dtype=bool), np.arange(n) // 3 % 2
    told, said = 8 * np.eye(3)[labels], np.eye(3)[labels] + rng.normal(0, 1, (n, 3))

    def seen(in_encoder_train_set: np.ndarray) -> np.ndarray:
        return np.where(in_encoder_train_set[:, None], told, said).astype(np.float32)

    fold_encoders = tuple(View(seen(half == k), everyone, half == k) for k in (0, 1))
    title = (np.eye(3)[labels] + rng.normal(0, 0.4, (n, 3))).astype(np.float32)
    photo = View(seen(everyone), everyone, everyone, fold_encoders)
    return {"photo": photo, "title_embedding": View(title, everyone)}, labels, said


@pytest.mark.parametrize("method", [LateFusion, Concatenation, Stacking])
def test_fit_calibrates_on_all_rows_where_fold_encoders_answer(
    rng: np.random.Generator, method: type[FusionClassifier]
) -> None:
    views, labels, _ = learned_by_fold_encoders(rng)
    folds = np.arange(len(labels)) // 6 % 4
    naive = {"photo": replace(views["photo"], fold_encoders=(), in_encoder_train_set=None)}
    _, held_out = method.fit(views, labels, 3, folds)
    _, fooled = method.fit(naive, labels, 3, folds)
    assert {len(held.rows) for held in held_out.values()} == {len(labels)}

    def right(held: HeldOut) -> float:
        return float((held.log_probabilities.argmax(axis=1) == labels[held.rows]).mean())

    assert right(fooled[PHOTO]) > 0.99
    assert 0.5 < right(held_out[PHOTO]) < 0.85  # a nearest direction, through noise of its size
    assert right(held_out[BOTH]) > right(held_out[PHOTO])


def test_fit_learns_the_temperature_from_fold_encoders(rng: np.random.Generator) -> None:
    views, labels, _ = learned_by_fold_encoders(rng, 900)
    fitted, _ = LateFusion.fit(views, labels, 3, np.arange(900) // 6 % 4)
    _, fresh_labels, said = learned_by_fold_encoders(rng, 900)
    new = {"photo": View(said.astype(np.float32), np.ones(900, dtype=bool))}
    assert log_loss(fitted.log_probabilities(new), fresh_labels) < np.log(3) - 0.2


def test_fit_learns_no_weights_from_familiar_rows_only(rng: np.random.Generator) -> None:
    views = memorised(rng, np.ones(120, dtype=bool))
    fitted, held_out = LateFusion.fit(views, LABELS, 3, np.arange(120) // 3 % 4)
    assert set(held_out) == set(fitted.weights) == {TITLE}
    assert fitted.log_probabilities(views).shape == (120, 3)
