"""Move a trained head a little, towards listings of a kind that it hasn't seen.

A head's coefficients are refitted with a penalty on how far they move away from what they were, not
on how large they are: a quadratic prior around the old solution, which a few labels can't overturn
(adapted regularisation; Evgeniou & Pontil 2004, "Regularized multi-task learning"). What must
change lies in the span of the new listings' features, so it is solved for there.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from scipy.special import log_softmax

from ..core.arrays import Floats, Ints
from .calibration import fit_temperature, log_loss
from .heads import LinearHead, tempered
from .views import Features

STRENGTHS = (0.0, 3.0, 30.0)
"""How freely coefficients may move; 0 leaves them where they are."""
MAX_STEPS = 60


def adapt_head(head: LinearHead, features: Features, labels: Ints, strength: float) -> LinearHead:
    """Refit a head on new listings, close to what it was.

    Parameters
    ----------
    head
        Its temperature is worked into the coefficients.
    features
        Shape ``(n, d)``, of listings that it wasn't trained on.
    labels
        Shape ``(n,)``, columns of the head.
    strength
        0 or more; see `STRENGTHS`.

    Returns
    -------
    LinearHead
        With a temperature of 1.
    """
    before, n_categories = head.logits(features) / head.temperature, len(head.coefficients)
    coefficients = head.coefficients / head.temperature
    if strength > 0:
        products = features @ features.T
        gram = np.asarray(products.toarray() if issparse(products) else products, dtype=np.float64)
        wanted = np.eye(n_categories)[labels]

        def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
            moved = gram @ flat.reshape(wanted.shape)
            answers = log_softmax(before + moved, axis=1)
            distance = (flat * moved.ravel()).sum() / strength
            loss = -answers[np.arange(len(labels)), labels].sum() + distance / 2
            return float(loss), (gram @ (np.exp(answers) - wanted) + moved / strength).ravel()

        start = np.zeros(wanted.size)
        found = minimize(
            loss_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS}
        ).x
        coefficients = coefficients + np.asarray(found.reshape(wanted.shape).T @ features)
    return LinearHead(
        np.ascontiguousarray(coefficients, dtype=np.float32), head.intercepts / head.temperature
    )


def recalibrate_head(
    head: LinearHead, features: Features, labels: Ints, folds: Ints
) -> tuple[LinearHead, Floats]:
    """Adapt a head as freely as helps on listings that it wasn't adapted to, and calibrate it.

    Parameters
    ----------
    folds
        Shape ``(n,)``; a group's listings share a fold.

    Returns
    -------
    LinearHead
        Adapted to all listings.
    Floats
        Held-out log-probabilities, shape ``(n, n_categories)``.
    """
    trials = []
    for strength in STRENGTHS:
        logits = np.zeros((len(labels), len(head.coefficients)))
        for fold in np.unique(folds):
            asked = folds == fold
            seen = np.flatnonzero(~asked)
            adapted = adapt_head(head, features[seen], labels[seen], strength)
            logits[asked] = adapted.logits(features[np.flatnonzero(asked)])
        temperature = fit_temperature(logits, labels)
        answers = tempered(logits, temperature)
        trials.append((log_loss(answers, labels), strength, temperature, answers))
    _, strength, temperature, answers = min(trials, key=lambda trial: trial[0])
    adapted = adapt_head(head, features, labels, strength)
    return LinearHead(adapted.coefficients, adapted.intercepts, temperature), answers
