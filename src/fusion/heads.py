"""A head: calibrated multinomial logistic regression over one view."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import TrainingError
from ..core.parallel import in_parallel
from .calibration import fit_temperature, log_loss
from .views import ALONE, Features, Round, View, rounds

FLOOR = 1e-3
"""Share of every head's probability that is spread evenly, so that no single view has a veto."""

INVERSE_REGULARISATION = (3.0, 30.0, 300.0)
MIN_JUDGED = 300
"""Held-out rows that suffice to choose between them."""

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


def fit_head(
    features: Features, labels: Ints, n_categories: int, c: float, weights: Floats | None = None
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
    model = LogisticRegression(C=c, max_iter=300, tol=tolerance)
    model.fit(features, labels, sample_weight=weights)
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


def held_out_logits(view: View, labels: Ints, n_categories: int, folds: Ints, c: float) -> Floats:
    """Predict every row by a head that has seen neither it nor its duplicates; see `views.rounds`.

    Returns
    -------
    Floats
        Shape ``(n, n_categories)``.
    """
    logits = np.zeros((len(labels), n_categories), dtype=np.float32)

    def answer(each: Round) -> None:
        logits[each.predict_mask] = _answers(each, each.predict_mask, labels, n_categories, c)

    in_parallel(answer, rounds({ALONE: view}, folds))
    return logits


def choose_c(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    candidates: Sequence[float] = INVERSE_REGULARISATION,
) -> float:
    """Pick the regularisation with the lowest log loss on held-out rows, after calibration.

    The first round is enough where it asks `MIN_JUDGED` rows that calibrate: the choice between a
    close fit and a loose one is too important to be left to a few dozen.
    """
    trials: list[tuple[Round, Bools]] = []
    for each in rounds({ALONE: view}, folds):
        trials.append((each, each.predict_mask & each.views[ALONE].calibration_mask))
        if sum(asked.sum() for _, asked in trials) >= MIN_JUDGED:
            break
    trials = [(each, asked) for each, asked in trials if asked.any()]
    attempts = [(c, trial) for c in candidates for trial in trials]
    answers = in_parallel(
        lambda attempt: _answers(*attempt[1], labels, n_categories, attempt[0]), attempts
    )
    truth = np.concatenate([labels[asked] for _, asked in trials])
    losses = []
    for start in range(0, len(answers), len(trials)):
        logits = np.concatenate(answers[start : start + len(trials)])
        losses.append(log_loss(tempered(logits, fit_temperature(logits, truth)), truth))
    return candidates[int(np.argmin(losses))]


def _answers(each: Round, asked: Bools, labels: Ints, n_categories: int, c: float) -> Floats:
    features = each.views[ALONE].features
    return fit_head(features[each.train_mask], labels[each.train_mask], n_categories, c).logits(
        features[asked]
    )


def fit_calibrated(
    view: View, labels: Ints, n_categories: int, folds: Ints
) -> tuple[LinearHead, Floats]:
    """Fit a head on all rows, calibrated on held-out answers to those that calibrate.

    Parameters
    ----------
    view
        Every row is there. Where none calibrates, all do.

    Returns
    -------
    LinearHead
        Fitted on every row.
    Floats
        Held-out log-probabilities, shape ``(n, n_categories)``.
    """
    if not view.calibration_mask.any():
        view = View(view.features, view.present)
    c = choose_c(view, labels, n_categories, folds)
    logits, asked = held_out_logits(view, labels, n_categories, folds, c), view.calibration_mask
    temperature = fit_temperature(logits[asked], labels[asked])
    (head,) = in_parallel(lambda c: fit_head(view.features, labels, n_categories, c), [c])
    calibrated = LinearHead(head.coefficients, head.intercepts, temperature)
    return calibrated, tempered(logits, temperature)
