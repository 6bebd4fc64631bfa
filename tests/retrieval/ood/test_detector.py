import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from shelfsure.core.arrays import Ints
from shelfsure.core.errors import CalibrationError
from shelfsure.fusion.views import View, take
from shelfsure.retrieval.ood.detector import OODDetector
from shelfsure.retrieval.ood.fit import fit_ood_detector
from shelfsure.retrieval.ood.photo_title_view import JOINT_VIEW, with_joint_view
from shelfsure.retrieval.ood.scorer import fit_view_scorer
from shelfsure.text.encoder import SentenceEncoder
from sklearn.metrics import roc_auc_score

D = 10
METHODS = {"photo": ("knn", "mahalanobis"), "title_embedding": ("knn",), JOINT_VIEW: ()}


def listings(rng: np.random.Generator, n: int, k: int = 3) -> tuple[dict[str, View], Ints, Ints]:
    """Listings of k categories with photo and title; both point at the category, noisily."""
    labels = rng.integers(0, k, n)

    def view(noise: float) -> View:
        x = rng.normal(scale=noise, size=(n, D)).astype(np.float32)
        x[np.arange(n), labels] += 1.0
        return View(x, np.ones(n, dtype=bool))

    return {"photo": view(0.15), "title_embedding": view(0.25)}, labels, np.arange(n) % 5


def strange(rng: np.random.Generator, n: int) -> dict[str, View]:
    def view(direction: int) -> View:
        x = rng.normal(scale=0.15, size=(n, D)).astype(np.float32)
        x[:, direction] += 1.0
        return View(x, np.ones(n, dtype=bool))

    return {"photo": view(7), "title_embedding": view(8)}


def without(views: dict[str, View], name: str, rows: list[int] | slice) -> dict[str, View]:
    view = views[name]
    features, present = view.features.copy(), view.present.copy()
    features[rows], present[rows] = 0.0, False
    return {**views, name: View(features, present)}


def test_gate_refuses_strangers_and_hardly_any_of_its_own(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 300)
    detector = fit_ood_detector(views, labels, folds)
    assert detector.refuses(strange(rng, 50)).all()
    own = listings(rng, 2000)[0]
    assert 0.01 < detector.refuses(own).mean() < 0.09
    assert detector.ood_scores(strange(rng, 50)).min() > np.quantile(detector.ood_scores(own), 0.99)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("exposed", [False, True])
def test_refused_share_averages_at_most_alpha(
    exact: bool, exposed: bool, rng: np.random.Generator
) -> None:
    alpha, shares = 0.1, []
    for _ in range(25):
        views, labels, folds = listings(rng, 250)
        outside = strange(rng, 20) if exposed else None
        detector = fit_ood_detector(
            views, labels, folds, alpha, outside, exact=exact, methods=METHODS
        )
        shares.append(detector.refuses(listings(rng, 400)[0]).mean())
    standard_error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= alpha + 3 * standard_error
    assert np.mean(shares) >= 0.05  # a detector that never refuses keeps every promise


def test_gate_judges_by_the_views_that_are_there(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 300)
    detector = fit_ood_detector(views, labels, folds, methods=METHODS)
    mixed, _, _ = listings(rng, 9)
    mixed = without(without(mixed, "photo", slice(0, 3)), "title_embedding", slice(2, 6))
    scores, p = detector.ood_scores(mixed), detector.p_values(mixed)
    titles_only = {"title_embedding": mixed["title_embedding"]}
    photos_only = {"photo": mixed["photo"]}
    np.testing.assert_allclose(scores[:2], detector.ood_scores(titles_only)[:2], rtol=1e-4)
    np.testing.assert_allclose(p[:2], detector.p_values(titles_only)[:2])
    np.testing.assert_allclose(scores[3:6], detector.ood_scores(photos_only)[3:6], rtol=1e-4)
    np.testing.assert_allclose(p[3:6], detector.p_values(photos_only)[3:6])
    assert np.isnan(scores[2])  # neither photo nor title
    assert p[2] == 1.0
    both = (detector.ood_scores(titles_only) + detector.ood_scores(photos_only))[6:] / np.sqrt(2)
    np.testing.assert_allclose(scores[6:], both, rtol=1e-4)


@pytest.mark.parametrize("missing", ["photo", "title_embedding"])
def test_a_part_of_the_views_keeps_the_promise_too(missing: str, rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 400)
    detector = fit_ood_detector(views, labels, folds, 0.1, methods=METHODS)
    own = without(listings(rng, 3000)[0], missing, slice(None))
    assert detector.refuses(own).mean() <= 0.15


def test_a_set_of_views_that_was_never_seen_together_uses_bonferroni(
    rng: np.random.Generator,
) -> None:
    views, labels, folds = listings(rng, 400)
    apart = without(without(views, "photo", slice(0, 200)), "title_embedding", slice(200, None))
    detector = fit_ood_detector(apart, labels, folds, 0.1, methods=METHODS)
    assert set(detector.calibration) == {frozenset({"photo"}), frozenset({"title_embedding"})}
    own = listings(rng, 200)[0]
    alone = [detector.p_values({name: view}) for name, view in own.items()]
    np.testing.assert_allclose(detector.p_values(own), np.minimum(1, 2 * np.minimum(*alone)))
    assert detector.refuses(strange(rng, 20)).all()


def test_with_joint_view_joins_photo_and_title_where_both_are_there(
    rng: np.random.Generator,
) -> None:
    views = without(without(listings(rng, 4)[0], "photo", [0]), "title_embedding", [1])
    space = with_joint_view(views)[JOINT_VIEW]
    assert space.present.tolist() == [False, False, True, True]
    assert not space.features[:2].any()
    np.testing.assert_array_equal(space.features[2:, :D], views["photo"].features[2:])
    np.testing.assert_array_equal(space.features[2:, D:], views["title_embedding"].features[2:])
    assert set(with_joint_view({"photo": views["photo"]})) == {"photo"}


def test_the_joint_view_refuses_a_known_photo_under_another_category_s_title(
    rng: np.random.Generator,
) -> None:
    views, labels, folds = listings(rng, 300)
    detector = fit_ood_detector(views, labels, folds)
    assert JOINT_VIEW in detector.scorers
    own, own_labels, _ = listings(rng, 200)
    zero, one = (take(own, np.flatnonzero(own_labels == c)[:40]) for c in (0, 1))
    mixed = {"photo": zero["photo"], "title_embedding": one["title_embedding"]}
    joint_names = frozenset({"photo", "title_embedding", JOINT_VIEW})
    assert joint_names in detector.calibration
    assert detector.view_scores(mixed)[JOINT_VIEW].min() > np.median(
        detector.view_scores(own)[JOINT_VIEW]
    )
    assert detector.p_values(mixed).mean() < detector.p_values(own).mean() / 2


def test_fit_gate_uses_neither_sparse_nor_missing_views(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 100)
    views["title_tfidf"] = View(csr_matrix(np.eye(100, dtype=np.float32)), np.ones(100, dtype=bool))
    views = without(views, "title_embedding", slice(None))
    detector = fit_ood_detector(views, labels, folds, methods=METHODS)
    assert set(detector.scorers) == {"photo"}
    assert np.isfinite(detector.ood_scores(take(views, slice(0, 5)))).all()


def test_permuting_listings_permutes_p_values(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 120)
    detector = fit_ood_detector(views, labels, folds, methods=METHODS)
    new = listings(rng, 30)[0]
    order = rng.permutation(30)
    np.testing.assert_array_equal(
        detector.p_values(take(new, order)), detector.p_values(new)[order]
    )


def test_calibration_scores_come_from_detectors_that_had_not_seen_the_listing(
    rng: np.random.Generator,
) -> None:
    features, labels = rng.normal(size=(100, D)).astype(np.float32), np.zeros(100, dtype=int)
    folds, everyone = np.arange(100) % 5, np.ones(100, dtype=bool)
    _, held_out = fit_view_scorer(View(features, everyone), labels, folds, ["knn"])
    features[0] = -features[0]  # a listing's own features change nobody else's score in its fold
    _, again = fit_view_scorer(View(features, everyone), labels, folds, ["knn"])
    raw_ratio = (again[5::5] - again[10]) / (held_out[5::5] - held_out[10] + 1e-30)
    finite = np.abs(held_out[5::5] - held_out[10]) > 1e-3
    assert finite.sum() > 10
    np.testing.assert_allclose(raw_ratio[finite], raw_ratio[finite][0], rtol=2e-3)


def test_outside_examples_help_with_their_like_and_never_calibrate(
    rng: np.random.Generator,
) -> None:
    views, labels, folds = listings(rng, 200)
    seen = strange(rng, 40)
    # outside things that look much like category 0, with one mark of their own
    for direction, (name, view) in zip((7, 8), seen.items(), strict=True):
        features = rng.normal(scale=0.15, size=(40, D)).astype(np.float32)
        features[:, 0] += 1.0
        features[:, direction] += 0.5
        seen[name] = View(features, view.present)
    plain = fit_ood_detector(views, labels, folds, methods=METHODS)
    sharp = fit_ood_detector(
        views, labels, folds, outside=take(seen, slice(0, 20)), methods=METHODS
    )
    rest = take(seen, slice(20, None))
    assert sharp.refuses(rest).mean() >= plain.refuses(rest).mean() + 0.1
    n = {names: len(known.ood_scores) for names, known in sharp.calibration.items()}
    assert set(n.values()) == {200}


def test_outside_examples_without_titles_sharpen_the_photo_only(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 100)
    outside = {"photo": strange(rng, 20)["photo"]}
    detector = fit_ood_detector(views, labels, folds, outside=outside, methods=METHODS)
    assert "exposure" in detector.scorers["photo"].detectors
    assert "exposure" not in detector.scorers["title_embedding"].detectors


def test_per_category_keeps_the_promise_for_each_category(rng: np.random.Generator) -> None:
    def uneven(n: int) -> tuple[dict[str, View], Ints]:
        labels = np.arange(n) % 2
        x = rng.normal(size=(n, D)) * np.where(labels == 1, 0.45, 0.1)[:, None]
        x[np.arange(n), labels] += 1.0
        return {"photo": View(x.astype(np.float32), np.ones(n, dtype=bool))}, labels

    views, labels = uneven(400)
    new, new_labels = uneven(4000)
    folds = np.arange(400) // 80
    methods = {"photo": ("knn",)}
    plain = fit_ood_detector(views, labels, folds, 0.1, methods=methods).refuses(new)
    mondrian = fit_ood_detector(views, labels, folds, 0.1, per_category=True, methods=methods)
    refused = mondrian.refuses(new, new_labels)
    assert plain[new_labels == 1].mean() > 0.15
    for category in (0, 1):
        assert 0.04 < refused[new_labels == category].mean() < 0.15
    with pytest.raises(ValueError, match="predicted category, got none"):
        mondrian.p_values(new)


@pytest.mark.parametrize("per_category", [False, True])
def test_parts_rebuild_the_same_gate(per_category: bool, rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 100)
    detector = fit_ood_detector(
        views, labels, folds, outside=strange(rng, 20), per_category=per_category
    )
    arrays, settings = detector.to_parts()
    again = OODDetector.from_parts(arrays, json.loads(json.dumps(settings)))
    new, predicted, _ = listings(rng, 30)
    np.testing.assert_array_equal(again.ood_scores(new), detector.ood_scores(new))
    np.testing.assert_array_equal(again.p_values(new, predicted), detector.p_values(new, predicted))
    np.testing.assert_array_equal(again.refuses(new, predicted), detector.refuses(new, predicted))
    assert {str(array.dtype) for array in arrays.values()} <= {"float32", "int64"}


def test_gate_of_constant_features_refuses_none_of_them() -> None:
    views = {"photo": View(np.ones((60, 4), dtype=np.float32), np.ones(60, dtype=bool))}
    detector = fit_ood_detector(views, np.arange(60) % 2, np.arange(60) % 3)
    assert not detector.refuses(views).any()


def test_gate_works_with_one_category(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 100, k=1)
    detector = fit_ood_detector(views, labels, folds)
    assert detector.refuses(strange(rng, 20)).all()


def test_fit_gate_says_what_is_missing(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 40)
    with pytest.raises(CalibrationError, match=r"30 listings in 2 folds.*among 20"):
        fit_ood_detector(take(views, slice(0, 20)), labels[:20], folds[:20])
    with pytest.raises(CalibrationError, match="among 0"):
        fit_ood_detector({}, labels[:0], folds[:0])
    with pytest.raises(ValueError, match=r"below 1, got 1\.0"):
        fit_ood_detector(views, labels, folds, alpha=1.0)
    detector = fit_ood_detector(views, labels, folds, methods=METHODS)
    sparse = {"photo": View(csr_matrix(np.eye(4, D)), np.ones(4, dtype=bool))}
    with pytest.raises(TypeError, match="'photo' must be dense"):
        detector.p_values(sparse)


def test_gate_of_no_listings_answers_nothing(rng: np.random.Generator) -> None:
    views, labels, folds = listings(rng, 60)
    detector = fit_ood_detector(views, labels, folds, methods=METHODS)
    none = take(views, slice(0, 0))
    assert detector.p_values(none).shape == detector.ood_scores(none).shape == (0,)


@pytest.mark.realdata
def test_gate_finds_a_left_out_category_by_real_titles(
    real_data: Path, starter_texts: SentenceEncoder
) -> None:
    table = pd.read_csv(real_data / "flipkart" / "listings.csv").drop_duplicates("title")[::2]
    first = table["category"].str.split(" > ").str[0].to_numpy()
    titles = starter_texts.encode(table["title"].tolist())
    view = {"title_embedding": View(titles, np.ones(len(titles), dtype=bool))}
    own = np.flatnonzero(first != "Watches")
    train, test = own[np.arange(len(own)) % 4 > 0], own[::4]
    labels = np.unique(first, return_inverse=True)[1]
    detector = fit_ood_detector(take(view, train), labels[train], np.arange(len(train)) % 5)
    left_out = detector.ood_scores(take(view, np.flatnonzero(first == "Watches")))
    known = detector.ood_scores(take(view, test))
    truth = np.r_[np.zeros(len(known)), np.ones(len(left_out))]
    assert roc_auc_score(truth, np.r_[known, left_out]) >= 0.95
    assert detector.refuses(take(view, test)).mean() <= 0.09


@pytest.mark.parametrize("exact", [False, True])
def test_gate_keeps_its_promise_on_an_encoder_that_has_learned_some_listings(
    rng: np.random.Generator, exact: bool
) -> None:
    views, labels, folds = listings(rng, 600)
    in_encoder_train_set = np.arange(600) < 480
    photo = views["photo"].features.copy()
    photo[in_encoder_train_set] = np.eye(D)[
        labels[in_encoder_train_set]
    ]  # the encoder sees these without noise
    photo[in_encoder_train_set] += rng.normal(scale=0.02, size=(480, D))
    refused = {}
    for name, known in {"honest": in_encoder_train_set, "naive": None}.items():
        taught = {"photo": View(photo, np.ones(600, dtype=bool), known)}
        detector = fit_ood_detector(taught, labels, folds, exact=exact)
        refused[name] = detector.refuses({"photo": listings(rng, 2000)[0]["photo"]}).mean()
    assert refused["honest"] < 0.1
    assert refused["naive"] > 0.15


def test_gate_keeps_its_promise_on_an_encoder_that_fold_encoders_speak_for(
    rng: np.random.Generator,
) -> None:
    """The average has learned every listing; each of two fold encoders one half of them."""
    views, labels, folds = listings(rng, 600)
    strangers = rng.normal(size=(30, D)).astype(np.float32)
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    new, everyone, half = views["photo"].features, np.ones(600, dtype=bool), np.arange(600) % 2
    learned = (np.eye(D)[labels] + rng.normal(scale=0.02, size=(600, D))).astype(np.float32)
    fold_encoders = tuple(
        View(np.where((half == k)[:, None], learned, new), everyone, half == k) for k in (0, 1)
    )
    outside = View(strangers, np.ones(30, dtype=bool))
    outside = replace(outside, fold_encoders=(outside, outside))
    photo = View(learned, everyone, everyone, fold_encoders)
    for given in (None, {"photo": outside}):
        detector = fit_ood_detector({"photo": photo}, labels, folds, outside=given)
        assert len(detector.calibration[frozenset({"photo"})].ood_scores) == 600
        seen = listings(rng, 2000)[0]["photo"]
        assert 0.005 < detector.refuses({"photo": seen}).mean() < 0.12


def test_what_no_category_fits_is_refused_although_it_looks_like_the_catalogue(
    rng: np.random.Generator,
) -> None:
    views, labels, folds = listings(rng, 600)
    photos = {"photo": views["photo"]}
    unsure = {frozenset({"photo"}): rng.gamma(1.0, 0.1, 600)}
    detector = fit_ood_detector(photos, labels, folds, uncertainty=unsure)
    own, _, _ = listings(rng, 400)
    own = {"photo": own["photo"]}
    certain, doubtful = rng.gamma(1.0, 0.1, 400), np.full(400, 1.0)
    assert detector.refuses(own, None, certain).mean() < 0.09
    assert detector.refuses(own, None, doubtful).mean() > 0.9
    assert detector.refuses(own).mean() < 0.09  # by the views alone, as before
    again = OODDetector.from_parts(*detector.to_parts())
    np.testing.assert_array_equal(
        again.p_values(own, None, certain), detector.p_values(own, None, certain)
    )


def test_a_classifier_that_is_always_sure_refuses_none_for_being_a_little_less_so(
    rng: np.random.Generator,
) -> None:
    views, labels, folds = listings(rng, 600)
    photos = {"photo": views["photo"]}
    unsure = {frozenset({"photo"}): rng.gamma(1.0, 0.002, 600)}
    detector = fit_ood_detector(photos, labels, folds, uncertainty=unsure)
    own, _, _ = listings(rng, 400)
    less_sure, doubtful = np.full(400, 0.04), np.full(400, 1.0)  # 20 and 500 times as unsure
    assert detector.refuses({"photo": own["photo"]}, None, less_sure).mean() < 0.15
    assert detector.refuses({"photo": own["photo"]}, None, doubtful).mean() > 0.9
