"""A head: calibrated multinomial logistic regression over one view."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ..arrays import Bools, Floats, Ints
from ..errors import TrainingError
from .calibration import fit_temperature, log_loss
from .views import Features

T = TypeVar("T")
R = TypeVar("R")

FLOOR = 1e-3
"""Share of every head's probability that is spread evenly, so that no single view has a veto."""

INVERSE_REGULARISATION = (3.0, 30.0, 300.0)
MIN_JUDGED = 300

TOLERANCE, RELATIVE_TOLERANCE = 1e-3, 0.03
"""Fitting ends where the gradient is below the first, and below this share of what it was at the
start: with many categories of like size it starts below any absolute limit."""


@dataclass(frozen=True)
class LinearHead:
    """Logits = features @ coefficients.T + intercepts, divided by a temperature.

    Parameters
    ----------
    coefficients
        Shape ``(n_categories, d)``, float32.
    intercepts
        Shape ``(n_categories,)``; very low for a category that this view never saw.
    temperature
        Above 0; above 1 softens.
    """

    coefficients: Floats
    intercepts: Floats
    temperature: float = 1.0

    def logits(self, features: Features) -> Floats:
        """Score categories; shape ``(n, n_categories)``, in nats, before the temperature."""
        return np.asarray(features @ self.coefficients.T) + self.intercepts

    def log_probabilities(self, features: Features) -> Floats:
        """Calibrated log-probabilities; shape ``(n, n_categories)``, each at least FLOOR / K."""
        return tempered(self.logits(features), self.temperature)


def tempered(logits: Floats, temperature: float) -> Floats:
    """Turn logits into floored log-probabilities."""
    n_categories = logits.shape[1]
    exact = log_softmax(logits / temperature, axis=1)
    return np.asarray(np.logaddexp(np.log1p(-FLOOR) + exact, np.log(FLOOR / n_categories)))


def fit_head(features: Features, labels: Ints, n_categories: int, c: float) -> LinearHead:
    """Fit one logistic regression, not yet calibrated.

    Parameters
    ----------
    features
        Shape ``(n, d)``.
    labels
        Shape ``(n,)``, 0 to ``n_categories - 1``; not every category needs to be there.
    c
        Inverse strength of the L2 penalty; larger fits closer.

    Raises
    ------
    TrainingError
        If there are fewer than two categories.
    """
    seen = np.unique(labels)
    if len(seen) < 2:
        raise TrainingError(
            f"A head needs listings of at least 2 categories, got {len(seen)}. Add listings."
        )
    tolerance = min(TOLERANCE, RELATIVE_TOLERANCE * _first_gradient(features, labels, seen))
    model = LogisticRegression(C=c, max_iter=300, tol=tolerance).fit(features, labels)
    own, own_intercepts = model.coef_, model.intercept_
    if len(seen) == 2:  # scikit-learn keeps one row for two categories
        own = np.vstack([np.zeros_like(own), own])
        own_intercepts = np.array([0.0, own_intercepts[0]])
    coefficients = np.zeros((n_categories, own.shape[1]), dtype=np.float32)
    intercepts = np.full(n_categories, own_intercepts.min() - 30.0, dtype=np.float32)
    coefficients[seen], intercepts[seen] = own, own_intercepts
    return LinearHead(coefficients, intercepts)


def _first_gradient(features: Features, labels: Ints, seen: Ints) -> float:
    """Give the largest slope of the mean log loss where all coefficients are 0."""
    wanted = (labels[:, None] == seen).astype(np.float32)
    slope = np.abs(features.T @ (1 / len(seen) - wanted)).max() / len(labels)
    return max(float(slope), 1e-12)


def out_of_fold_logits(
    features: Features, labels: Ints, n_categories: int, folds: Ints, c: float
) -> Floats:
    """Predict every row by a head that has seen neither it nor its fold.

    Returns
    -------
    Floats
        Shape ``(n, n_categories)``.
    """
    logits = np.zeros((len(labels), n_categories), dtype=np.float32)

    def answer(fold: int) -> None:
        held_out = folds == fold
        head = fit_head(features[~held_out], labels[~held_out], n_categories, c)
        logits[held_out] = head.logits(features[held_out])

    _in_parallel(answer, np.unique(folds).tolist())
    return logits


def choose_c(
    features: Features,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    candidates: Sequence[float] = INVERSE_REGULARISATION,
    calibrates: Bools | None = None,
) -> float:
    """Pick the regularisation with the lowest log loss on held-out rows, after calibration.

    One fold is held out where it has `MIN_JUDGED` rows, else each in turn: the choice between a
    close fit and a loose one is too important to be left to a few dozen rows.
    """
    asked = np.ones(len(labels), dtype=bool) if calibrates is None else calibrates
    tried = np.unique(folds)
    if (asked & (folds == tried[0])).sum() >= MIN_JUDGED or not asked.any():
        tried = tried[:1]
    rows = [np.flatnonzero(asked & (folds == fold)) for fold in tried]
    if not any(map(len, rows)):
        rows = [np.flatnonzero(folds == fold) for fold in tried]

    def answer(trial: tuple[float, int]) -> Floats:
        c, place = trial
        known = folds != tried[place]
        head = fit_head(features[known], labels[known], n_categories, c)
        return head.logits(features[rows[place]])

    places = range(len(tried))
    answers = _in_parallel(answer, [(c, place) for c in candidates for place in places])
    truth = labels[np.concatenate(rows)]
    losses = []
    for start in range(0, len(answers), len(tried)):
        logits = np.concatenate(answers[start : start + len(tried)])
        losses.append(log_loss(tempered(logits, fit_temperature(logits, truth)), truth))
    return candidates[int(np.argmin(losses))]


def _in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Fit in threads, each with one BLAS thread.

    Many small products gain nothing from a BLAS that spreads each over all cores; on a busy
    machine its waiting threads cost up to a hundredfold.
    """
    with threadpool_limits(limits=1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def fit_calibrated(
    features: Features,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    calibrates: Bools | None = None,
) -> tuple[LinearHead, Floats]:
    """Fit a head on all rows, calibrated on its out-of-fold answers.

    Parameters
    ----------
    calibrates
        Shape ``(n,)``, the rows whose answers may calibrate (see `View.familiar`); None means all,
        and so does an array without any.

    Returns
    -------
    LinearHead
        Fitted on every row.
    Floats
        Out-of-fold log-probabilities, shape ``(n, n_categories)``.
    """
    asked = np.ones(len(labels), dtype=bool) if calibrates is None else calibrates
    if not asked.any():
        asked = ~asked
    c = choose_c(features, labels, n_categories, folds, calibrates=asked)
    logits = out_of_fold_logits(features, labels, n_categories, folds, c)
    temperature = fit_temperature(logits[asked], labels[asked])
    (head,) = _in_parallel(lambda c: fit_head(features, labels, n_categories, c), [c])
    calibrated = LinearHead(head.coefficients, head.intercepts, temperature)
    return calibrated, tempered(logits, temperature)
