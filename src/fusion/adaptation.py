"""Move a trained head a little, towards listings of a kind that it hasn't seen.

A head's coefficients are refitted with a penalty on how far they move away from what they were, not
on how large they are: a quadratic prior around the old solution, which a few labels can't overturn
(adapted regularisation; Evgeniou & Pontil 2004, "Regularized multi-task learning"). What must
change lies in the span of the new listings' features, so it is solved for there. Where training
listings are at hand, fitting a head anew on both is tried as well, and so are prototypes placed by
both, which need the fewest examples of all. What did best on held-out listings is taken.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from scipy.special import log_softmax

from ..core.arrays import Floats, Ints
from .calibration import fit_temperature, log_loss
from .heads import INVERSE_REGULARISATION, LinearHead, fit_head, tempered
from .many_categories import MANY
from .prototypes import fit_prototypes
from .views import Features

STRENGTHS = (0.0, 3.0, 30.0)
"""How freely coefficients may move; 0 leaves them where they are."""
MAX_STEPS = 60
MAX_WEIGHT = 10.0
PROTOTYPE_WEIGHTS = (1.0, 10.0, 1_000.0)
"""What a new listing counts in prototypes; by the last, old ones place what no new one shows."""
MAX_TRAINING = 5_000
"""Training listings that experts are fitted on again; more take long, and say little more."""
N_FOLDS = 10
"""More than training has: with some hundred labels, each that an expert can move by counts."""


class Labelled(NamedTuple):
    """One dense view of n listings, shape ``(n, d)``, and their columns, shape ``(n,)``."""

    features: Floats
    labels: Ints


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
    intercepts = head.intercepts / head.temperature
    if strength == 0:
        scaled: Any = head.coefficients / head.temperature  # sparse ones stay so
        return LinearHead(scaled, intercepts)
    before, n_categories = head.logits(features) / head.temperature, len(intercepts)
    coefficients = head.array / head.temperature
    products = features @ features.T
    gram = np.asarray(products.toarray() if issparse(products) else products, dtype=np.float64)
    wanted = np.zeros((len(labels), n_categories))
    wanted[np.arange(len(labels)), labels] = 1.0

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
    return LinearHead(np.ascontiguousarray(coefficients, dtype=np.float32), intercepts)


def refit_head(
    known: Labelled, features: Floats, labels: Ints, n_categories: int, c: float
) -> LinearHead:
    """Fit a head anew on training listings and new ones together.

    The new ones count as much as the others together, each `MAX_WEIGHT` times at most.

    Parameters
    ----------
    known
        Training listings.
    features, labels, n_categories, c
        As for `fit_head`, of the new ones.
    """
    weight = np.clip(len(known.labels) / len(labels), 1.0, MAX_WEIGHT)
    return fit_head(
        np.concatenate([known.features, features]),
        np.concatenate([known.labels, labels]),
        n_categories,
        c,
        np.repeat([1.0, weight], [len(known.labels), len(labels)]),
    )


def refit_prototypes(
    known: Labelled, features: Floats, labels: Ints, n_categories: int, weight: float
) -> LinearHead:
    """Place prototypes anew, by training listings and new ones together.

    Parameters
    ----------
    known
        Training listings.
    features, labels, n_categories
        As for `fit_prototypes`, of the new ones.
    weight
        Above 0; what each new one counts.
    """
    return fit_prototypes(
        np.concatenate([known.features, features]),
        np.concatenate([known.labels, labels]),
        n_categories,
        weights=np.repeat([1.0, weight], [len(known.labels), len(labels)]),
    )


def recalibrate_head(
    head: LinearHead,
    features: Features,
    labels: Ints,
    folds: Ints,
    known: Labelled | None = None,
    *,
    prototypes: bool = False,
) -> tuple[LinearHead, Floats]:
    """Move a head in the way that helps most on listings that it wasn't moved by; calibrate it.

    Parameters
    ----------
    features, labels
        Of n listings that it wasn't trained on.
    folds
        Shape ``(n,)``; a group's listings share a fold.
    known
        Training listings of the same view, if there are any to fit it on anew.
    prototypes
        Whether that is to place prototypes, rather than a regression.

    Returns
    -------
    LinearHead
        Moved by all listings.
    Floats
        Held-out log-probabilities, shape ``(n, n_categories)``.
    """
    n_categories = len(head.intercepts)
    # words of thousands of categories stay sparse: only their temperature moves
    strengths = STRENGTHS if isinstance(head.coefficients, np.ndarray) else STRENGTHS[:1]
    ways: list[Callable[[Any, Ints], LinearHead]] = [
        lambda x, y, strength=strength: adapt_head(head, x, y, strength)  # type: ignore[misc]
        for strength in strengths
    ]
    if known is not None and prototypes:
        ways += [
            lambda x, y, weight=weight: refit_prototypes(known, x, y, n_categories, weight)  # type: ignore[misc]
            for weight in PROTOTYPE_WEIGHTS
        ]
    elif known is not None and n_categories <= MANY:
        ways += [
            lambda x, y, c=c: refit_head(known, x, y, n_categories, c)  # type: ignore[misc]
            for c in INVERSE_REGULARISATION
        ]
    trials = []
    for way in ways:
        logits = np.zeros((len(labels), n_categories))
        for fold in np.unique(folds):
            asked, seen = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            logits[asked] = way(features[seen], labels[seen]).logits(features[asked])
        temperature = fit_temperature(logits, labels)
        answers = tempered(logits, temperature)
        trials.append((log_loss(answers, labels), way, temperature, answers))
    _, way, temperature, answers = min(trials, key=lambda trial: trial[0])
    return replace(way(features, labels), temperature=temperature), answers
