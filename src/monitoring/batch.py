"""Tests of a batch against what was before, exact for any number of listings, and many at once."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import betabinom, hypergeom

from ..core.arrays import Floats
from .neighbours import SplitScores

DEPTHS = (0.002, 0.01, 0.03, 0.1, 0.3)
"""Shares of the known listings beyond whose scores new ones are counted: a few that are very
strange show, and so do many that are a little so."""


def exceedance_p_value(n_beyond: int, n_new: int, n_allowed: int, n_known: int) -> float:
    """Test whether too many new listings are beyond a known one's score.

    Parameters
    ----------
    n_beyond
        Of `n_new` listings, how many are stranger than the `n_allowed`-th strangest (from 1) of the
        `n_known`.

    Returns
    -------
    float
        How likely as many are, if all come from one source: above 0, up to 1. Exact where no two
        scores are equal (a negative hypergeometric distribution).
    """
    allowed = min(max(n_allowed, 1), n_known)
    return float(betabinom.sf(n_beyond - 1, n_new, allowed, n_known + 1 - allowed))


def tail_p_value(known: Floats, new: Floats) -> float:
    """Test whether new scores are larger than known ones, far out or further in.

    Shapes ``(n,)`` and ``(m,)``; which is which must not have entered the scores.
    """
    ordered = np.sort(known)[::-1]
    allowed = sorted({max(1, round(depth * len(known))) for depth in DEPTHS})
    p_values = [
        exceedance_p_value(int(np.sum(new > ordered[a - 1])), len(new), a, len(known))
        for a in allowed
    ]
    return min(1.0, len(p_values) * min(p_values))


def stranger_p_value(halves: Sequence[SplitScores]) -> float:
    """Test whether new listings are stranger than known ones; see `neighbours.split_scores`.

    Twice the mean of the halves' p-values is one (Vovk & Wang 2020), however they depend.
    """
    return min(1.0, 2.0 * float(np.mean([tail_p_value(*half) for half in halves])))


def share_p_value(n_now: int, of_now: int, n_before: int, of_before: int) -> float:
    """Test whether a share has changed, in either direction (Fisher's exact test, doubled)."""
    whole = hypergeom(of_now + of_before, n_now + n_before, of_now)
    return float(min(1.0, 2.0 * min(whole.sf(n_now - 1), whole.cdf(n_now))))


def adjusted(p_values: Floats) -> Floats:
    """Correct p-values for how many there are (Holm 1979); shape ``(n,)``.

    Refusing those up to alpha refuses any wrongly with probability alpha at most.
    """
    order = np.argsort(p_values)
    n = len(p_values)
    stepped = np.minimum(1.0, (n - np.arange(n)) * p_values[order])
    result = np.empty(n)
    result[order] = np.maximum.accumulate(stepped)
    return result
