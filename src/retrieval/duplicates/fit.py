"""Fit the pair model to a team's own catalogue: edited copies against its own look-alikes."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.model_selection import GroupKFold

from ...core.arrays import Bools, Floats
from ...core.errors import CalibrationError
from ...embedding.listings import EmbeddedListings
from ...vision.load import PhotoLimits
from .pair_model import SIGNS, PairModel, evidence
from .sampling import sample_pairs

SURE_ERRORS = 0.25  # of the errors allowed, where titles name different things
SHRINKAGE = 3.0  # a weight is pulled towards its prior as if by so many pairs


def fit_pair_model(
    embedded: EmbeddedListings,
    *,
    prior: PairModel | None = None,
    target_precision: float = 0.99,
    n_sources: int = 150,
    n_edits: int = 8,
    limits: PhotoLimits | None = None,
    progress: bool = False,
) -> PairModel:
    """Learn from a catalogue what a copy is, and where the cut-off for a chosen precision lies.

    Time depends on `n_sources`, not on the catalogue, but for one search for neighbours.

    Parameters
    ----------
    embedded
        The catalogue: 10 photos or more.
    prior
        The model to start from, the more so the fewer photos there are; ``None``: the one that
        comes with Shelfsure.
    target_precision
        Wanted share of true copies among the pairs that pass, where each copy competes with the
        most similar photos of the catalogue. Above 0, up to 1.
    n_sources, n_edits
        Photos drawn, and copies made of each.

    Raises
    ------
    CalibrationError
        If there are fewer than 10 distinct photos that can be used.
    """
    prior = prior or PairModel.load()
    sample = sample_pairs(
        embedded, prior, n_sources, n_edits, limits or PhotoLimits(), progress=progress
    )
    # a logistic regression's probabilities are calibrated as they come; the thresholds are fitted
    # to pairs that weren't fitted on, and the folds keep the pairs of one photo together
    held_out = np.zeros(len(sample.copies))
    folds = GroupKFold(n_splits=min(5, len(np.unique(sample.sources))))
    for fitted, tested in folds.split(sample.features, groups=sample.sources):
        weights, intercept = fit_weights(sample.features[fitted], sample.copies[fitted], prior)
        fold = PairModel(weights, intercept, 0.5, 0.5, target_precision)
        held_out[tested] = fold.probabilities(sample.features[tested])
    threshold = precision_threshold(held_out, sample.copies, target_precision)
    surer = 1 - (1 - target_precision) * SURE_ERRORS
    sure_threshold = precision_threshold(held_out, sample.copies, surer)
    weights, intercept = fit_weights(sample.features, sample.copies, prior)
    return PairModel(
        weights, intercept, threshold, sure_threshold, target_precision, prior.min_similarity
    )


def fit_weights(
    features: Floats, copies: Bools, prior: PairModel | None = None
) -> tuple[tuple[float, ...], float]:
    """Find the weights under which pairs known to be copies, and pairs known not to be, are likely.

    Parameters
    ----------
    features
        Shape ``(n_pairs, 9)``, see `photo_match.FEATURES`; `copies` says which pairs are copies.
    prior
        Pulls the weights towards its own, so that few pairs don't lead astray; ``None``: to 0.

    Returns
    -------
    tuple
        Weights in the order of `SIGNS`, none against its sign, and the intercept.

    Raises
    ------
    CalibrationError
        If there are no copies, or nothing but copies.
    """
    if not 0 < copies.sum() < len(copies):
        raise CalibrationError(
            f"Fitting needs copies and other pairs, got {int(copies.sum())} copies among "
            f"{len(copies)} pairs. Pass more photos."
        )
    seen = evidence(features)
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    rows = (seen - mean) / spread
    sides = np.where(copies, 1.0, -1.0)
    centre = np.zeros(rows.shape[1]) if prior is None else np.array(prior.weights) * spread

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margins = sides * (rows @ parameters[1:] + parameters[0])
        pull = parameters[1:] - centre
        value = np.logaddexp(0, -margins).sum() + SHRINKAGE / 2 * (pull @ pull)
        slopes = -sides * expit(-margins)
        return float(value), np.r_[slopes.sum(), rows.T @ slopes + SHRINKAGE * pull]

    bounds = [(None, None)] + [(0, None) if sign > 0 else (None, 0) for sign in SIGNS.values()]
    found = minimize(loss, np.r_[0.0, centre], jac=True, method="L-BFGS-B", bounds=bounds)
    weights = found.x[1:] / spread
    return tuple(float(w) for w in weights), float(found.x[0] - weights @ mean)


def precision_threshold(probabilities: Floats, copies: Bools, target: float) -> float:
    """Find the lowest probability from which on at least a share `target` of the pairs are copies.

    Parameters
    ----------
    probabilities
        Shape ``(n_pairs,)``, of pairs that the model wasn't fitted on; `copies` says which are.
    target
        Wanted precision, above 0, up to 1.

    Returns
    -------
    float
        Between 0 and 1; halfway to the next lower pair. Where no cut-off reaches the target, the
        one of the best precision.
    """
    if not 0 < target <= 1:
        raise ValueError(f"target must be above 0 and at most 1, but is {target}.")
    order = np.argsort(-probabilities, kind="stable")
    sorted_p = probabilities[order]
    precision = np.cumsum(copies[order]) / np.arange(1, len(order) + 1)
    last_of_tie = np.r_[sorted_p[1:] < sorted_p[:-1], True]
    reached = np.flatnonzero(last_of_tie & (precision >= min(target, precision[last_of_tie].max())))
    cut = reached[-1]
    lower = sorted_p[cut + 1] if cut + 1 < len(sorted_p) else 0.0
    return float((sorted_p[cut] + lower) / 2)
