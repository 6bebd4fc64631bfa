"""A head: calibrated multinomial logistic regression over one view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from scipy.sparse import csc_matrix, issparse

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import TrainingError
from ..core.parallel import in_parallel
from .calibration import fit_temperature, log_loss
from .softmax_regression import Curvature, fit_softmax
from .span import Span
from .views import ALONE, Features, Round, View, have_sisters, rounds

FLOOR = 1e-3
"""Share of every head's probability that is spread evenly, so that no single view has a veto."""

INVERSE_REGULARISATION = (3.0, 30.0, 300.0)
MIN_JUDGED = 300
"""Held-out rows that suffice to choose between them."""

Trials: TypeAlias = Mapping[tuple[float, int], Floats]
"""Inverse regularisation, number of a round -> logits ``(n_asked, n_categories)``."""


@dataclass(frozen=True)
class LinearHead:
    """Logits = features @ coefficients.T + intercepts, divided by a temperature.

    Parameters
    ----------
    coefficients
        Shape ``(n_categories, d)``, float32; sparse where words of thousands of categories are.
    intercepts
        Shape ``(n_categories,)``; very low for a category that this view never saw.
    temperature
        Above 0; above 1 softens.
    """

    coefficients: Floats | csc_matrix
    intercepts: Floats
    temperature: float = 1.0

    @property
    def array(self) -> Floats:
        """The coefficients of a head that is known to be dense."""
        if not isinstance(self.coefficients, np.ndarray):
            raise TypeError("A head must be dense here, got a sparse one.")
        return self.coefficients

    def logits(self, features: Features) -> Floats:
        """Score categories; shape ``(n, n_categories)``, in nats, before the temperature."""
        products = features @ self.coefficients.T
        return np.asarray(products.toarray() if issparse(products) else products) + self.intercepts

    def log_probabilities(self, features: Features) -> Floats:
        """Calibrated log-probabilities; shape ``(n, n_categories)``, each at least FLOOR / K."""
        return tempered(self.logits(features), self.temperature)


def tempered(logits: Floats, temperature: float) -> Floats:
    """Turn logits into floored log-probabilities."""
    answers = np.asarray(logits / temperature)
    answers -= answers.max(axis=1, keepdims=True)
    np.exp(answers, out=answers)
    answers *= (1 - FLOOR) / answers.sum(axis=1, keepdims=True)
    answers += FLOOR / logits.shape[1]
    return np.asarray(np.log(answers, out=answers))


def fit_head(
    features: Features,
    labels: Ints,
    n_categories: int,
    c: float,
    weights: Floats | None = None,
    curvature: Curvature | None = None,
) -> LinearHead:
    """Fit one logistic regression, not yet calibrated.

    Parameters
    ----------
    features
        Shape ``(n, d)``.
    labels
        Shape ``(n,)``, 0 to ``n_categories - 1``; not every category needs to be there.
    c
        Inverse strength of the L2 penalty; larger fits closer.
    weights
        Shape ``(n,)``, what each listing counts; None: 1.
    curvature
        Of features of this kind, where several heads share it; see `fit_softmax`.

    Raises
    ------
    TrainingError
        If there are fewer than two categories.
    """
    seen, own = np.unique(labels, return_inverse=True)
    if len(seen) < 2:
        raise TrainingError(
            f"A head needs listings of at least 2 categories, got {len(seen)}. Add listings."
        )
    if len(seen) == 2:
        c /= 2  # as in scikit-learn: of two categories, the difference alone bears the penalty
    fitted, own_intercepts = fit_softmax(features, own, len(seen), c, weights, curvature)
    if len(seen) == n_categories:
        return LinearHead(fitted, own_intercepts)
    coefficients = np.zeros((n_categories, fitted.shape[1]), dtype=np.float32)
    intercepts = np.full(n_categories, own_intercepts.min() - 30.0, dtype=np.float32)
    coefficients[seen], intercepts[seen] = fitted, own_intercepts
    return LinearHead(coefficients, intercepts)


def held_out_logits(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    c: float,
    curvature: Curvature | None = None,
    known: Trials = MappingProxyType({}),
    asked: Bools | None = None,
) -> Floats:
    """Predict every row by a head that has seen neither it nor its duplicates; see `views.rounds`.

    Parameters
    ----------
    known
        Answers that are there already; see `choose_c`.
    asked
        Shape ``(n,)``, the rows that are predicted; None: all.

    Returns
    -------
    Floats
        Shape ``(n_asked, n_categories)``.
    """
    curvature = Curvature.of(view.features) if curvature is None else curvature
    asked = np.ones(len(labels), dtype=bool) if asked is None else asked
    logits = np.zeros((int(asked.sum()), n_categories), dtype=np.float32)

    def answer(numbered: tuple[int, Round]) -> None:
        number, each = numbered
        given = known.get((c, number))
        logits[each.predict_mask[asked]] = (
            _answers(each, labels, n_categories, c, curvature) if given is None else given
        )

    in_parallel(answer, enumerate(rounds({ALONE: view}, folds, asked)))
    return logits


def choose_c(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    candidates: Sequence[float] = INVERSE_REGULARISATION,
    curvature: Curvature | None = None,
    asked: Bools | None = None,
) -> tuple[float, Trials]:
    """Pick the regularisation with the lowest log loss on held-out rows, after calibration.

    The first round is enough where it asks `MIN_JUDGED` rows that calibrate: the choice between a
    close fit and a loose one is too important to be left to a few dozen.

    Returns
    -------
    float
        One of the candidates.
    Trials
        What its heads answered to the rows of the rounds that were tried.
    """
    curvature = Curvature.of(view.features) if curvature is None else curvature
    asked = np.ones(len(labels), dtype=bool) if asked is None else asked
    tried: list[tuple[int, Round, Bools]] = []
    n_judged, answerable = 0, calibrating(view, labels, folds, asked)
    for number, each in enumerate(rounds({ALONE: view}, folds, asked)):
        judged = each.predict_mask & each.views[ALONE].calibration_mask & answerable
        if judged.any():
            tried.append((number, each, judged))
            n_judged += int(judged.sum())
        if n_judged >= MIN_JUDGED:
            break
    attempts = [(c, number, each) for c in candidates for number, each, _ in tried]
    answers = in_parallel(
        lambda attempt: _answers(attempt[2], labels, n_categories, attempt[0], curvature), attempts
    )
    trials = {(c, n): given for (c, n, _), given in zip(attempts, answers, strict=True)}
    truth = np.concatenate([labels[judged] for *_, judged in tried])
    losses = {}
    for c in candidates:
        logits = np.concatenate(
            [trials[c, number][judged[each.predict_mask]] for number, each, judged in tried]
        )
        losses[c] = log_loss(tempered(logits, fit_temperature(logits, truth)), truth)
    best = min(losses, key=lambda c: losses[c])
    return best, {key: given for key, given in trials.items() if key[0] == best}


def calibrating(view: View, labels: Ints, folds: Ints, asked: Bools) -> Bools:
    """Tell which rows say how a head does on new listings of categories that it knows.

    Where no category has two examples, none is known to those who haven't seen the other: then
    all rows that calibrate are told.
    """
    judged = view.calibration_mask & asked
    known = judged & have_sisters(labels, folds)
    return known if known.any() else judged


def _answers(
    each: Round, labels: Ints, n_categories: int, c: float, curvature: Curvature
) -> Floats:
    features = each.views[ALONE].features
    known, own = features[each.train_mask], labels[each.train_mask]
    head = fit_head(known, own, n_categories, c, curvature=curvature)
    return head.logits(features[each.predict_mask])


def fit_calibrated(
    view: View, labels: Ints, n_categories: int, folds: Ints, asked: Bools | None = None
) -> tuple[LinearHead, Floats]:
    """Fit a head on all rows, calibrated on held-out answers to those that calibrate.

    Parameters
    ----------
    view
        Every row is there. Where none calibrates, all do.
    asked
        Shape ``(n,)``, the rows whose answers are wanted; None: all.

    Returns
    -------
    LinearHead
        Fitted on every row.
    Floats
        Held-out log-probabilities, shape ``(n_asked, n_categories)``.
    """
    asked = np.ones(len(labels), dtype=bool) if asked is None else asked
    if not (view.calibration_mask & asked).any():
        view = View(view.features, view.present)
    span = None if view.fold_encoders else Span.of(view.features)
    if span is None:
        curvature = Curvature.of(view.features)
    else:
        view, curvature = replace(view, features=span.rows), span.curvature
    c, known = choose_c(view, labels, n_categories, folds, curvature=curvature, asked=asked)
    logits = held_out_logits(view, labels, n_categories, folds, c, curvature, known, asked)
    judged = calibrating(view, labels, folds, asked)
    temperature = fit_temperature(logits[judged[asked]], labels[judged])
    (head,) = in_parallel(
        lambda c: fit_head(view.features, labels, n_categories, c, curvature=curvature), [c]
    )
    if span is not None:
        head = LinearHead(*span.unspanned(head.array, head.intercepts))
    return replace(head, temperature=temperature), tempered(logits, temperature)
