"""Late fusion: one calibrated expert a view, pooled over the views that are there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import TrainingError
from .adaptation import Labelled, recalibrate_head
from .heads import LinearHead, fit_calibrated
from .held_out import MIN_ROWS, HeldOut, pool_patterns
from .many_categories import MANY, calibrated_solution
from .pool import pool
from .prototypes import calibrated_prototypes
from .views import (
    PROTOTYPES,
    Modalities,
    Views,
    have_sisters,
    modality,
    n_rows,
    patterns,
    restrict,
    rows_by_pattern,
    with_prototypes,
)

NO_NAMES: Mapping[str, Floats] = MappingProxyType({})


class FusionClassifier(Protocol):
    """Views in, log-probabilities out; the same for every way of fusing."""

    method: ClassVar[str]

    @property
    def heads(self) -> Mapping[str, LinearHead]:
        """Every linear model inside, by name."""
        ...

    def settings(self) -> dict[str, Any]:
        """Everything else that must be saved, as JSON values."""
        ...

    @classmethod
    def from_parts(cls, heads: Mapping[str, LinearHead], settings: Mapping[str, Any]) -> Self:
        """Rebuild from what `heads` and `settings` gave."""
        ...

    @classmethod
    def fit(
        cls,
        views: Views,
        labels: Ints,
        n_categories: int,
        folds: Ints,
        names: Mapping[str, Floats] = NO_NAMES,
        asked: Bools | None = None,
    ) -> tuple[Self, dict[Modalities, HeldOut]]:
        """Fit on all rows; also give held-out answers for each pattern of modalities.

        `asked`, shape ``(n,)``, tells whose; None: everyone's.
        """
        ...

    def log_probabilities(self, views: Views) -> Floats:
        """Shape ``(n, n_categories)``; a row without any view gets the categories' shares."""
        ...


@dataclass(frozen=True)
class LateFusion:
    """The default: experts pooled by learned weights (see `pool`).

    Each view has a head, and a dense one prototypes as well, which do with one example a category.
    With thousands of categories each has one expert that is both; see `many_categories`.

    Parameters
    ----------
    heads
        View name -> expert.
    weights
        Modalities -> view name -> weight, for every pattern that training could learn.
    log_prior
        Shape ``(n_categories,)``, log of the categories' shares in training.
    """

    method: ClassVar[str] = "pool"
    heads: Mapping[str, LinearHead]
    weights: Mapping[Modalities, Mapping[str, float]]
    log_prior: Floats

    @classmethod
    def fit(
        cls,
        views: Views,
        labels: Ints,
        n_categories: int,
        folds: Ints,
        names: Mapping[str, Floats] = NO_NAMES,
        asked: Bools | None = None,
    ) -> tuple["LateFusion", dict[Modalities, HeldOut]]:
        """Fit experts, then one set of weights a pattern.

        Parameters
        ----------
        views
            Of n listings.
        labels
            Shape ``(n,)``, 0 to ``n_categories - 1``.
        folds
            Shape ``(n,)``; duplicates share a fold.
        names
            View name -> shape ``(n_categories, d)``: what each category's name looks like in it.
        asked
            Shape ``(n,)``, the rows whose held-out answers are wanted; None: all. A view that fewer
            than `MIN_ROWS` of them have gets no expert.

        Raises
        ------
        TrainingError
            If no view has enough listings.
        """
        heads: dict[str, LinearHead] = {}
        answers: dict[str, Floats] = {}
        many = n_categories > MANY
        asked = np.ones(len(labels), dtype=bool) if asked is None else asked
        if not many:
            views = with_prototypes(views)
            names = {f"{modality(name)}_{PROTOTYPES}": own for name, own in names.items()}
        for name, view in views.items():
            there = view.present
            if (there & asked).sum() < MIN_ROWS or not trainable(there, labels, folds):
                continue
            own = view if there.all() else view.take(np.flatnonzero(there))
            known = (own, labels[there], n_categories, folds[there])
            if many:
                found = calibrated_solution(*known, names.get(name), asked[there])
            elif name.endswith(PROTOTYPES):
                found = calibrated_prototypes(*known, names.get(name), asked[there])
            else:
                found = fit_calibrated(*known, asked[there])
            heads[name], answered = found
            answers[name] = _spread_out(answered, there[asked])
        if not heads:
            raise TrainingError(
                f"At least one view (photo, title, description) needs {MIN_ROWS} listings of 2 "
                f"categories in every fold, but none has them among {len(labels)}. Add listings."
            )
        calibrate = {name: views[name].calibration_mask for name in answers}
        answerable = have_sisters(labels, folds)
        weights, held_out = pool_patterns(answers, calibrate, labels, folds, answerable, asked)
        return cls(heads, weights, log_shares(labels, n_categories)), held_out

    def recalibrated(
        self,
        views: Views,
        labels: Ints,
        folds: Ints,
        known: Mapping[str, Labelled],
    ) -> tuple["LateFusion", dict[Modalities, HeldOut]]:
        """Fit temperatures and weights anew, on listings of a kind that training hasn't seen.

        Experts move towards them as far as helps on held-out ones; see `adaptation`. A view or
        pattern that fewer than `MIN_ROWS` of them have stays as it was, and has no held-out
        answers.

        Parameters
        ----------
        views, labels, folds
            As for `fit`; none of the listings was in training.
        known
            Name of an expert's view, dense -> training listings to fit it on anew.
        """
        heads, answers, views = dict(self.heads), {}, with_prototypes(views)
        for name, head in self.heads.items():
            if name not in views or views[name].present.sum() < MIN_ROWS:
                continue
            there = np.flatnonzero(views[name].present)
            new = (views[name].features[there], labels[there], folds[there])
            heads[name], answered = recalibrate_head(
                head, *new, known.get(name), prototypes=name.endswith(PROTOTYPES)
            )
            answers[name] = _spread_out(answered, views[name].present)
        calibrate = {name: views[name].calibration_mask for name in answers}
        everyone = np.ones(len(labels), dtype=bool)
        weights, held_out = pool_patterns(answers, calibrate, labels, folds, everyone, everyone)
        return replace(self, heads=heads, weights={**self.weights, **weights}), held_out

    def log_probabilities(self, views: Views) -> Floats:
        """Pool whatever views each row has; shape ``(n, n_categories)``."""
        known = {n: view for n, view in with_prototypes(views).items() if n in self.heads}
        answer = np.tile(self.log_prior, (n_rows(views), 1))
        for pattern, rows in rows_by_pattern(patterns(known)).items():
            if not pattern:
                continue
            names = list(restrict(known, pattern))
            experts = [self.heads[n].log_probabilities(known[n].features[rows]) for n in names]
            weights = self.weights_for(pattern)
            answer[rows] = pool(experts, [weights[name] for name in names])
        return answer

    def weights_for(self, pattern: Modalities) -> Mapping[str, float]:
        """Look weights up; a pattern never seen in training shares out those of its modalities."""
        if pattern in self.weights:
            return self.weights[pattern]
        single = {
            name: weight
            for part in pattern
            for name, weight in self.weights.get(frozenset({part}), {}).items()
        }
        names = [name for name in self.heads if modality(name) in pattern]
        return {name: single.get(name, 1.0) / len(pattern) for name in names}

    def settings(self) -> dict[str, Any]:
        return {
            "weights": [
                {"modalities": sorted(pattern), "weights": dict(weights)}
                for pattern, weights in self.weights.items()
            ],
            "log_prior": [float(value) for value in self.log_prior],
        }

    @classmethod
    def from_parts(
        cls, heads: Mapping[str, LinearHead], settings: Mapping[str, Any]
    ) -> "LateFusion":
        weights = {frozenset(w["modalities"]): w["weights"] for w in settings["weights"]}
        return cls(heads, weights, np.array(settings["log_prior"], dtype=np.float32))


def _spread_out(answered: Floats, there: Bools) -> Floats:
    """Put answers to those of the listings that are there where they belong; NaN elsewhere."""
    answered = np.asarray(answered, dtype=np.float32)
    if there.all():
        return answered
    whole = np.full((len(there), answered.shape[1]), np.nan, dtype=np.float32)
    whole[there] = answered
    return whole


def trainable(present: Bools, labels: Ints, folds: Ints) -> bool:
    """Tell whether a view has enough listings, and two categories outside of every fold."""
    if present.sum() < MIN_ROWS:
        return False
    own_labels, own_folds = labels[present], folds[present]
    if len(np.unique(own_folds)) < 2:
        return False
    return all(len(np.unique(own_labels[own_folds != fold])) >= 2 for fold in np.unique(own_folds))


def log_shares(labels: Ints, n_categories: int) -> Floats:
    """Log of each category's share, one listing added to each so that none is impossible."""
    counts = np.bincount(labels, minlength=n_categories) + 1.0
    return np.asarray(np.log(counts / counts.sum()), dtype=np.float32)
