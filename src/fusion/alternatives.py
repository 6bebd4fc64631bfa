"""Other ways of fusing, behind the same interface, for comparison with the default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack, vstack

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import TrainingError
from .classifier import (
    NO_NAMES,
    FusionClassifier,
    log_shares,
    trainable,
)
from .heads import LinearHead, fit_calibrated
from .held_out import MIN_ROWS, HeldOut
from .views import (
    Features,
    Modalities,
    View,
    Views,
    all_patterns,
    modality,
    n_rows,
    restrict,
    rounds,
    take,
)

DROPOUT = 0.3
"""Chance that a modality of a training copy is blanked."""
JOINT = "joint"


@dataclass(frozen=True)
class Concatenation:
    """Early fusion: one logistic regression over all views side by side.

    Trained on each listing as it is and once more with modalities dropped at random (Neverova et
    al. 2015, "ModDrop"), without which a missing photo ruins it.

    Parameters
    ----------
    widths
        View name -> number of features, in the order in which they stand side by side.
    """

    method: ClassVar[str] = "concatenation"
    heads: Mapping[str, LinearHead]
    widths: Mapping[str, int]
    log_prior: Floats

    @classmethod
    def fit(
        cls,
        views: Views,
        labels: Ints,
        n_categories: int,
        folds: Ints,
        names: Mapping[str, Floats] = NO_NAMES,  # noqa: ARG003
        asked: Bools | None = None,
    ) -> tuple[Self, dict[Modalities, HeldOut]]:
        """See `FusionClassifier.fit`; names aren't used."""
        held_out = cross_fit(cls.fit_only, views, labels, n_categories, folds, asked)
        return cls.fit_only(views, labels, n_categories, folds), held_out

    @classmethod
    def fit_only(cls, views: Views, labels: Ints, n_categories: int, folds: Ints) -> Self:
        """Fit on all rows, without held-out answers."""
        views = _trainable(views, labels, folds)
        widths = {name: int(view.features.shape[1]) for name, view in views.items()}
        both = vstack([_side_by_side(views, widths), _side_by_side(drop_modalities(views), widths)])
        head, _ = fit_calibrated(
            _whole(csr_matrix(both)), np.tile(labels, 2), n_categories, np.tile(folds, 2)
        )
        return cls({JOINT: head}, widths, log_shares(labels, n_categories))

    def log_probabilities(self, views: Views) -> Floats:
        answer = self.heads[JOINT].log_probabilities(_side_by_side(views, self.widths))
        return _or_prior(answer, {n: v for n, v in views.items() if n in self.widths}, self)

    def settings(self) -> dict[str, Any]:
        return {"widths": dict(self.widths), "log_prior": [float(x) for x in self.log_prior]}

    @classmethod
    def from_parts(cls, heads: Mapping[str, LinearHead], settings: Mapping[str, Any]) -> Self:
        return cls(heads, settings["widths"], np.array(settings["log_prior"], dtype=np.float32))


@dataclass(frozen=True)
class Stacking:
    """One expert a view, and a logistic regression over their out-of-fold answers (Wolpert 1992).

    A view that isn't there answers with the categories' shares.
    """

    method: ClassVar[str] = "stacking"
    heads: Mapping[str, LinearHead]
    log_prior: Floats

    @classmethod
    def fit(
        cls,
        views: Views,
        labels: Ints,
        n_categories: int,
        folds: Ints,
        names: Mapping[str, Floats] = NO_NAMES,  # noqa: ARG003
        asked: Bools | None = None,
    ) -> tuple[Self, dict[Modalities, HeldOut]]:
        """See `FusionClassifier.fit`; names aren't used."""
        held_out = cross_fit(cls.fit_only, views, labels, n_categories, folds, asked)
        return cls.fit_only(views, labels, n_categories, folds), held_out

    @classmethod
    def fit_only(cls, views: Views, labels: Ints, n_categories: int, folds: Ints) -> Self:
        """Fit on all rows, without held-out answers."""
        log_prior = log_shares(labels, n_categories)
        heads, answers = {}, []
        for name, view in _trainable(views, labels, folds).items():
            there = view.present
            heads[name], answered = fit_calibrated(
                view.take(there), labels[there], n_categories, folds[there]
            )
            whole = np.tile(log_prior, (len(labels), 1))
            whole[there] = answered
            answers.append(whole)
        heads[JOINT], _ = fit_calibrated(_whole(np.hstack(answers)), labels, n_categories, folds)
        return cls(heads, log_prior)

    def log_probabilities(self, views: Views) -> Floats:
        answers = []
        for name, head in self.heads.items():
            if name == JOINT:
                continue
            whole = np.tile(self.log_prior, (n_rows(views), 1))
            if name in views:
                there = views[name].present
                whole[there] = head.log_probabilities(views[name].features[there])
            answers.append(whole)
        answer = self.heads[JOINT].log_probabilities(np.hstack(answers))
        return _or_prior(answer, {n: v for n, v in views.items() if n in self.heads}, self)

    def settings(self) -> dict[str, Any]:
        # the order of the experts is the order of the joint head's features
        return {"order": list(self.heads), "log_prior": [float(x) for x in self.log_prior]}

    @classmethod
    def from_parts(cls, heads: Mapping[str, LinearHead], settings: Mapping[str, Any]) -> Self:
        ordered = {name: heads[name] for name in settings["order"]}
        return cls(ordered, np.array(settings["log_prior"], dtype=np.float32))


def cross_fit(
    fit: Callable[[Views, Ints, int, Ints], FusionClassifier],
    views: Views,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    asked: Bools | None = None,
) -> dict[Modalities, HeldOut]:
    """Answer each row by a classifier that hasn't seen it, for each pattern of modalities.

    `asked`, shape ``(n,)``, tells which rows; None: all.
    """
    asked = np.ones(len(labels), dtype=bool) if asked is None else asked
    place, shape = np.cumsum(asked) - 1, (int(asked.sum()), n_categories)
    names = all_patterns(_trainable(views, labels, folds))
    answers: dict[Modalities, Floats] = {name: np.zeros(shape, np.float32) for name in names}
    answered = {name: np.zeros(len(labels), dtype=bool) for name in names}
    for each in rounds(views, folds, asked):
        known = np.flatnonzero(each.train_mask)
        seen = {
            name: replace(view, fold_encoders=()) for name, view in take(each.views, known).items()
        }
        classifier = fit(seen, labels[known], n_categories, folds[known])
        for pattern in names:
            rows = np.flatnonzero(each.predict_mask & _calibration_mask(each.views, pattern))
            own = restrict(take(each.views, rows), pattern)
            answers[pattern][place[rows]] = classifier.log_probabilities(own)
            answered[pattern][rows] = True
    return {
        pattern: HeldOut(np.flatnonzero(own), answers[pattern][place[own]])
        for pattern, own in answered.items()
        if own.sum() >= MIN_ROWS
    }


def _calibration_mask(views: Views, pattern: Modalities) -> Bools:
    own = [view.calibration_mask for name, view in views.items() if modality(name) in pattern]
    return np.asarray(np.all(own, axis=0))


def _whole(features: Features) -> View:
    """Make a view that every row has."""
    return View(features, np.ones(features.shape[0], dtype=bool))


def _trainable(views: Views, labels: Ints, folds: Ints) -> dict[str, View]:
    usable = {n: v for n, v in views.items() if trainable(v.present, labels, folds)}
    if not usable:
        raise TrainingError(
            f"At least one view (photo, title, description) needs {MIN_ROWS} listings of 2 "
            f"categories in every fold, but none has them among {len(labels)}. Add listings."
        )
    return usable


def _side_by_side(views: Views, widths: Mapping[str, int]) -> csr_matrix:
    n = n_rows(views)
    blocks = [
        csr_matrix(views[name].features) if name in views else _zeros(n, width)
        for name, width in widths.items()
    ]
    return csr_matrix(hstack(blocks, format="csr"))


def _zeros(n: int, width: int) -> csr_matrix:
    nothing = np.zeros(0, dtype=np.int32)
    return csr_matrix((np.zeros(0, np.float32), (nothing, nothing)), shape=(n, width))


def drop_modalities(views: Views) -> dict[str, View]:
    """Blank whole modalities at random; a listing that would lose all it has stays whole."""
    rng = np.random.default_rng(0)
    parts = sorted({modality(name) for name in views})
    keep = rng.random((n_rows(views), len(parts))) >= DROPOUT
    left = [view.present & keep[:, parts.index(modality(name))] for name, view in views.items()]
    keep[~np.any(left, axis=0)] = True
    return {
        name: View(
            csr_matrix(diags(keep[:, parts.index(modality(name))].astype("f4")) @ view.features),
            view.present,
            view.in_encoder_train_set,
        )
        for name, view in views.items()
    }


def _or_prior(answer: Floats, views: Views, model: Concatenation | Stacking) -> Floats:
    if not views:
        return np.tile(model.log_prior, (len(answer), 1))
    nothing = ~np.any([view.present for view in views.values()], axis=0)
    answer[nothing] = model.log_prior
    return answer
