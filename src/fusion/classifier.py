"""Late fusion: one calibrated expert a view, pooled over the views that are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import TrainingError
from .adaptation import Labelled, recalibrate_head
from .heads import LinearHead, fit_calibrated
from .pool import cross_fitted_pool, fit_weights, pool
from .prototypes import calibrated_prototypes
from .views import (
    PROTOTYPES,
    Modalities,
    Views,
    all_patterns,
    have_sisters,
    modality,
    n_rows,
    patterns,
    restrict,
    rows_by_pattern,
    with_prototypes,
)

MIN_ROWS = 30
"""Fewer listings than this can't train a view's expert or a pattern's weights."""
NO_NAMES: Mapping[str, Floats] = MappingProxyType({})


@dataclass(frozen=True)
class HeldOut:
    """What a classifier said about training listings that it hadn't seen, for one pattern.

    Parameters
    ----------
    rows
        Shape ``(m,)``, the listings that have every modality of the pattern.
    log_probabilities
        Shape ``(m, n_categories)``.
    """

    rows: Ints
    log_probabilities: Floats


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
    ) -> tuple[Self, dict[Modalities, HeldOut]]:
        """Fit on all rows; also give held-out answers for each pattern of modalities."""
        ...

    def log_probabilities(self, views: Views) -> Floats:
        """Shape ``(n, n_categories)``; a row without any view gets the categories' shares."""
        ...


@dataclass(frozen=True)
class LateFusion:
    """The default: experts pooled by learned weights (see `pool`).

    Each view has a head, and a dense one prototypes as well, which do with one example a category.

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

        Raises
        ------
        TrainingError
            If no view has enough listings.
        """
        heads: dict[str, LinearHead] = {}
        answers: dict[str, Floats] = {}
        views = with_prototypes(views)
        named = {f"{modality(name)}_{PROTOTYPES}": vectors for name, vectors in names.items()}
        for name, view in views.items():
            if not trainable(view.present, labels, folds):
                continue
            there = np.flatnonzero(view.present)
            own = view if len(there) == len(labels) else view.take(there)
            known = (own, labels[there], n_categories, folds[there])
            heads[name], answered = (
                calibrated_prototypes(*known, named.get(name))
                if name.endswith(PROTOTYPES)
                else fit_calibrated(*known)
            )
            answers[name] = _spread_out(answered, there, len(labels))
        if not heads:
            raise TrainingError(
                f"At least one view (photo, title, description) needs {MIN_ROWS} listings of 2 "
                f"categories in every fold, but none has them among {len(labels)}. Add listings."
            )
        weights, held_out = _pool_all(answers, views, labels, folds, have_sisters(labels, folds))
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
            answers[name] = _spread_out(answered, there, len(labels))
        everyone = np.ones(len(labels), dtype=bool)
        weights, held_out = _pool_all(answers, views, labels, folds, everyone)
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


def _spread_out(answered: Floats, rows: Ints, n: int) -> Floats:
    """Put answers to some of n listings where they belong; NaN elsewhere."""
    answered = np.asarray(answered, dtype=np.float32)
    if len(rows) == n:
        return answered
    whole = np.full((n, answered.shape[1]), np.nan, dtype=np.float32)
    whole[rows] = answered
    return whole


def _pool_all(
    answers: Mapping[str, Floats], views: Views, labels: Ints, folds: Ints, answerable: Bools
) -> tuple[dict[Modalities, dict[str, float]], dict[Modalities, HeldOut]]:
    """Weigh experts for each pattern of modalities, by held-out answers; see `pool`.

    Parameters
    ----------
    answerable
        Shape ``(n,)``, the rows of categories that the experts that answered them knew.
    """
    weights: dict[Modalities, dict[str, float]] = {}
    held_out: dict[Modalities, HeldOut] = {}
    for pattern in all_patterns(answers):
        names = [name for name in answers if modality(name) in pattern]
        rows = np.flatnonzero(np.all([views[name].calibration_mask for name in names], axis=0))
        if len(rows) < MIN_ROWS:
            continue
        whole = len(rows) == len(labels)
        experts = [answers[name] if whole else answers[name][rows] for name in names]
        asked = answerable[rows]
        if asked.any():
            seen = experts if asked.all() else [each[asked] for each in experts]
            fitted = fit_weights(seen, labels[rows[asked]])
            pooled = cross_fitted_pool(experts, labels[rows], folds[rows], asked)
        else:
            fitted = _untried_weights(names)
            pooled = pool(experts, fitted.tolist())
        weights[pattern] = dict(zip(names, fitted.tolist(), strict=True))
        held_out[pattern] = HeldOut(rows, pooled)
    return weights, held_out


def _untried_weights(names: Sequence[str]) -> Floats:
    """Weigh experts that no listing could try: those that do with one example, all the same."""
    chosen = np.array([name.endswith(PROTOTYPES) for name in names])
    chosen = chosen if chosen.any() else ~chosen
    return np.asarray(chosen / chosen.sum())


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
