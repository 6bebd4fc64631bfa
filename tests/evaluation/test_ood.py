"""The gate's numbers, against hand counts and scikit-learn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.arrays import Bools, Floats, Ints
from shelfsure.evaluation.ood import fpr_at, measure_ood
from shelfsure.fusion.views import View, Views
from shelfsure.retrieval.ood.fit import fit_ood_detector
from sklearn.metrics import roc_auc_score


@dataclass
class ByNumber:
    """A gate that finds a listing as strange as the largest number its views hold."""

    alpha: float = 0.1
    cutoff: float = 5.0
    predicted: Ints | None = None

    def ood_scores(self, views: Views) -> Floats:
        scores = [np.where(v.present, v.features[:, 0], -np.inf) for v in views.values()]
        largest = np.max(scores, axis=0)
        return np.where(np.isfinite(largest), largest, np.nan)

    def refuses(self, views: Views, predicted: Ints | None = None) -> Bools:
        self.predicted = predicted
        return np.nan_to_num(self.ood_scores(views), nan=-np.inf) >= self.cutoff


def view(numbers: list[float | None]) -> View:
    """A view of one number a listing; None where it is missing."""
    features = np.array([[0.0 if x is None else x] for x in numbers])
    return View(features, np.array([x is not None for x in numbers]))


def test_measure_ood_by_hand() -> None:
    inside = {"photo": view([1, 2, 4, None]), "title_embedding": view([0, 0, 6, 9])}
    outside = {"photo": view([3, 5, 7, 8, None])}
    ood_detector: Any = ByNumber()
    assert measure_ood(ood_detector, inside, outside) == {
        "auroc": pytest.approx(11 / 12),  # photos alone: of 3 x 4 pairs only (4, 3) is wrong
        "fpr95": pytest.approx(1 / 3),  # to catch all four, cut at 3; the 4 goes with them
        "refused_inside": 0.5,  # with their titles: 6 and 9 of 4
        "refused_outside": 0.75,  # 5, 7, 8 of 4; who has no photo isn't counted
        "alpha": 0.1,
        "n_inside": 4,
        "n_outside": 4,
    }


def test_measure_ood_leaves_out_what_cant_be_ranked() -> None:
    ood_detector: Any = ByNumber()
    titles = {"photo": view([None, None]), "title_embedding": view([1, 9])}
    found = measure_ood(ood_detector, titles, {"photo": view([7])})
    assert not {"auroc", "fpr95"} & found.keys()
    assert (found["refused_inside"], found["refused_outside"]) == (0.5, 1.0)
    nobody = measure_ood(ood_detector, titles, {"photo": view([None])})
    assert (nobody["refused_outside"], nobody["n_outside"]) == (0.0, 0)


def outlying(rng: np.random.Generator, n: int, direction: int) -> dict[str, View]:
    x = rng.normal(scale=0.3, size=(n, 8)).astype(np.float32)
    x[:, direction] += 1.0
    return {"photo": View(x, np.ones(n, dtype=bool))}


def test_measure_ood_agrees_with_scikit_learn_and_with_the_gate(rng: np.random.Generator) -> None:
    own = outlying(rng, 120, 0)
    ood_detector = fit_ood_detector(own, np.zeros(120, dtype=int), np.arange(120) % 5, alpha=0.2)
    inside, outside = outlying(rng, 80, 0), outlying(rng, 50, 3)
    found = measure_ood(ood_detector, inside, outside)
    scores = np.concatenate([ood_detector.ood_scores(inside), ood_detector.ood_scores(outside)])
    assert found["auroc"] == pytest.approx(roc_auc_score(np.arange(130) >= 80, scores))
    assert 0.8 < found["auroc"] < 1
    assert found["refused_inside"] == pytest.approx(ood_detector.refuses(inside).mean())
    assert found["refused_outside"] == pytest.approx(ood_detector.refuses(outside).mean())
    assert found["alpha"] == 0.2


def test_measure_ood_tells_a_gate_by_category_what_was_predicted(rng: np.random.Generator) -> None:
    views = {"photo": view([*rng.normal(0, 1, 100), *rng.normal(9, 1, 100)])}
    categories = np.repeat([0, 1], 100)
    ood_detector = fit_ood_detector(
        views, np.zeros(200, dtype=int), np.arange(200) % 5, 0.1, per_category=True,
        predicted=categories, methods={"photo": ("knn",)},
    )  # fmt: skip
    answers = np.eye(2)[categories]
    found = measure_ood(ood_detector, views, views, answers, answers[:, ::-1])
    assert found["refused_inside"] == ood_detector.refuses(views, categories).mean()
    assert found["refused_outside"] == ood_detector.refuses(views, 1 - categories).mean()


SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=25)


@given(SCORES, SCORES, st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_fpr_at_is_the_smallest_share_over_all_cut_offs(
    inside: list[int], outside: list[int], caught: float
) -> None:
    own, strange = np.array(inside), np.array(outside)
    shares = [
        (own >= cut).mean()
        for cut in range(8)
        if (strange >= cut).mean() >= caught
    ]  # fmt: skip
    is_outside = np.repeat([0.0, 1.0], [len(own), len(strange)])
    assert fpr_at(is_outside, np.r_[own, strange], caught) == pytest.approx(min(shares))


def test_fpr_at_counts_ties_exactly() -> None:
    tied = np.tile(np.arange(20.0), 2)  # one of each at every score: a straight curve
    assert fpr_at(np.repeat([0.0, 1.0], 20), tied, 0.95) == pytest.approx(0.95)
