"""Conformal p-values: how many of the catalogue's own listings are at least as strange.

Vovk, Gammerman & Shafer (2005). If a listing and the calibration listings come in random order from
one source, and the score was fitted without any of them, refusing at ``p <= alpha`` refuses at most
a share `alpha` of the catalogue's own listings, on average, whatever the score is.
"""

import numpy as np

from ...core.arrays import Floats, Ints


def p_values(calibration: Floats, ood_scores: Floats) -> Floats:
    """Rank scores among calibration scores; ties count against refusing.

    Parameters
    ----------
    calibration
        Shape ``(n,)``, scores of the catalogue's own listings, in any order; larger = stranger.
    ood_scores
        Shape ``(m,)``; NaN where nothing could be scored.

    Returns
    -------
    Floats
        Shape ``(m,)``, above 0 and up to 1; small = strange. 1 where the score is NaN.
    """
    ordered = np.sort(calibration)
    n_as_strange = len(ordered) - np.searchsorted(ordered, ood_scores, side="left")
    p = (1.0 + n_as_strange) / (len(ordered) + 1.0)
    return np.where(np.isnan(ood_scores), 1.0, p)


def p_values_by_category(
    calibration: Floats,
    calibration_categories: Ints,
    ood_scores: Floats,
    categories: Ints,
    min_calibration: int,
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
        A category with fewer calibration scores uses those of all.

    Returns
    -------
    Floats
        Shape ``(m,)``, above 0 and up to 1.
    """
    p = p_values(calibration, ood_scores)
    for category in np.unique(categories):
        own = calibration[calibration_categories == category]
        if len(own) >= min_calibration:
            rows = categories == category
            p[rows] = p_values(own, ood_scores[rows])
    return p
