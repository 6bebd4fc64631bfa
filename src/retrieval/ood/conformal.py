"""Conformal p-values: how many of the catalogue's own listings are at least as strange.

Vovk, Gammerman & Shafer (2005). If a listing and the calibration listings come in random order from
one source, and the score was fitted without any of them, refusing at ``p <= alpha`` refuses at most
a share `alpha` of the catalogue's own listings, on average, whatever the score is.

Where listings come in groups (sellers, sessions), groups come in random order, not listings. Then
each group has one voice, shared out among its listings (Lee, Barber & Willett 2023, "Distribution-
free inference with hierarchical data"), and the promise is about a listing of a new group.
"""

import numpy as np

from ...core.arrays import Floats, Ints


def voices(groups: Ints) -> Floats:
    """Share out each group's one voice among its listings; shape ``(n,)``."""
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / sizes[own], dtype=np.float32)


def p_values(calibration: Floats, ood_scores: Floats, weights: Floats | None = None) -> Floats:
    """Rank scores among calibration scores; ties count against refusing.

    Parameters
    ----------
    calibration
        Shape ``(n,)``, scores of the catalogue's own listings, in any order; larger = stranger.
    ood_scores
        Shape ``(m,)``; NaN where nothing could be scored.
    weights
        Shape ``(n,)``, what each calibration score counts; see `voices`. None: 1.

    Returns
    -------
    Floats
        Shape ``(m,)``, above 0 and up to 1; small = strange. 1 where the score is NaN.
    """
    order = np.argsort(calibration)
    counts = np.ones(len(order)) if weights is None else weights[order].astype(np.float64)
    below = np.concatenate([[0.0], np.cumsum(counts)])
    as_strange = below[-1] - below[np.searchsorted(calibration[order], ood_scores, side="left")]
    p = (1.0 + as_strange) / (below[-1] + 1.0)
    return np.where(np.isnan(ood_scores), 1.0, p)


def p_values_by_category(
    calibration: Floats,
    calibration_categories: Ints,
    ood_scores: Floats,
    categories: Ints,
    min_calibration: int,
    weights: Floats | None = None,
) -> Floats:
    """Rank each score among calibration listings of its own category (Mondrian).

    Then the promise holds for each category by itself, not only on average over them.

    Parameters
    ----------
    calibration, calibration_categories
        Shape ``(n,)``.
    ood_scores, categories
        Shape ``(m,)``; the category that each listing is taken for.
    min_calibration
        A category with fewer calibration scores (weighted, if there are weights) uses those of all.
    weights
        As for `p_values`.

    Returns
    -------
    Floats
        Shape ``(m,)``, above 0 and up to 1.
    """
    weights = np.ones(len(calibration)) if weights is None else weights
    p = p_values(calibration, ood_scores, weights)
    for category in np.unique(categories):
        own = calibration_categories == category
        if weights[own].sum() >= min_calibration:
            rows = categories == category
            p[rows] = p_values(calibration[own], ood_scores[rows], weights[own])
    return p
