"""The logarithmic opinion pool: experts' log-probabilities, weighted and renormalised.

Genest & Zidek (1986), "Combining probability distributions". The weights are learned on
out-of-fold answers, one set for each pattern of modalities: what a title is worth depends on
whether there is a photo too. A set's sum is the inverse of a temperature, so the pool comes out
calibrated.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import CalibrationError
from .calibration import enough_rows

PRIOR_STRENGTH = 5.0
"""How many listings the pull towards equal weights is worth; it fades as the catalogue grows."""


def pool(log_probabilities: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Combine experts.

    Parameters
    ----------
    log_probabilities
        One array of shape ``(n, K)`` for each expert.
    weights
        One number, 0 or more, for each expert.

    Returns
    -------
    Floats
        Shape ``(n, K)``; log-probabilities that sum to 1 in each row.
    """
    combined = sum(w * p for w, p in zip(weights, log_probabilities, strict=True))
    return np.asarray(log_softmax(combined, axis=1))


def fit_weights(log_probabilities: Sequence[Floats], labels: Ints) -> Floats:
    """Find the non-negative weights with the lowest log loss on held-out answers.

    The problem is convex, so the answer doesn't depend on a start or a seed. Of very many listings
    some are looked at; see `enough_rows`.

    Parameters
    ----------
    log_probabilities
        One array of shape ``(n, K)`` for each expert, none of them fitted on the row it answers.
    labels
        Shape ``(n,)``, the true category's column.

    Returns
    -------
    Floats
        Shape ``(n_experts,)``.

    Raises
    ------
    CalibrationError
        If there is no expert or no listing.
    """
    if not log_probabilities or len(labels) == 0:
        raise CalibrationError(
            f"Pool weights need at least one expert and one listing, got "
            f"{len(log_probabilities)} and {len(labels)}."
        )
    strength = PRIOR_STRENGTH / len(labels)
    rows = enough_rows(*log_probabilities[0].shape)
    labels, n = labels[rows], len(rows)
    answers = np.stack([own[rows].astype(np.float64) for own in log_probabilities])
    n_experts = len(answers)
    truth = answers[:, np.arange(n), labels]
    equal = np.full(n_experts, 1.0 / n_experts)

    def loss_and_slope(weights: Floats) -> tuple[float, Floats]:
        combined = log_softmax(np.tensordot(weights, answers, axes=1), axis=1)
        loss = -combined[np.arange(n), labels].mean() + strength * ((weights - equal) ** 2).sum()
        expected = np.einsum("nk,enk->e", np.exp(combined), answers)
        slope = (expected - truth.sum(axis=1)) / n + 2 * strength * (weights - equal)
        return float(loss), slope

    found = minimize(
        loss_and_slope, equal, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * n_experts
    )
    return np.asarray(found.x)


def cross_fitted_pool(
    log_probabilities: Sequence[Floats], labels: Ints, folds: Ints, calibrates: Bools | None = None
) -> Floats:
    """Pool each fold with weights learned on the other folds.

    Parameters
    ----------
    calibrates
        Shape ``(n,)``, the rows that weights may be learned on; None: all.

    Returns
    -------
    Floats
        Shape ``(n, K)``; what the pool would have said about rows that it never saw.
    """
    calibrates = np.ones(len(labels), dtype=bool) if calibrates is None else calibrates
    pooled = np.empty_like(log_probabilities[0])
    for fold in np.unique(folds):
        held_out = np.flatnonzero(folds == fold)
        others = np.flatnonzero((folds != fold) & calibrates)
        others = others if len(others) else held_out
        # no more is copied than is looked at
        seen = others[enough_rows(len(others), pooled.shape[1])]
        weights = fit_weights([own[seen] for own in log_probabilities], labels[seen])
        pooled[held_out] = pool([own[held_out] for own in log_probabilities], weights.tolist())
    return pooled
