"""How sure are we of a measured number: intervals and tests on right-or-wrong answers."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from ..core.arrays import Bools


class PairedDifference(NamedTuple):
    """Share right of A minus share right of B, with its interval; above 0 = A is better."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    correct_a: Bools,
    correct_b: Bools,
    n_resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedDifference:
    """Percentile bootstrap of a difference in accuracy, paired on listings.

    A resample's difference depends only on how many listings it draws where A alone is right,
    where B alone is, and where neither alone is; drawing listings with replacement makes those
    three counts multinomial. Drawing the counts is the same bootstrap, exactly, in memory that
    doesn't grow with the number of listings.

    Parameters
    ----------
    correct_a, correct_b
        Shape ``(n_listings,)``, both about the same listings in the same order.
    n_resamples
        Resamples; the interval's ends wobble less with more.
    confidence
        Share of resamples inside the interval, between 0 and 1.
    """
    only_a, only_b = _discordant(correct_a, correct_b)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but is {confidence}.")
    n = len(correct_a)
    shares = np.array([only_a, only_b, n - only_a - only_b]) / n
    drawn = np.random.default_rng(seed).multinomial(n, shares, size=n_resamples)
    differences = (drawn[:, 0] - drawn[:, 1]) / n
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return PairedDifference((only_a - only_b) / n, float(low), float(high))


def mcnemar_p(correct_a: Bools, correct_b: Bools) -> float:
    """Two-sided p-value of McNemar's exact test: are A and B equally often right?

    Only listings where one of them alone is right have a say. 1 where there is none.
    """
    only_a, only_b = _discordant(correct_a, correct_b)
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def wilson_interval(n_right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share (Wilson 1927); unlike a bootstrap's, not of width 0 at 0 % and 100 %."""
    interval = binomtest(n_right, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def _discordant(correct_a: Bools, correct_b: Bools) -> tuple[int, int]:
    """Count the listings where A alone is right, and where B alone is."""
    if correct_a.ndim != 1 or correct_a.shape != correct_b.shape or len(correct_a) == 0:
        raise ValueError(
            "Paired answers must have the same shape (n_listings,), with one listing or more, "
            f"but have {correct_a.shape} and {correct_b.shape}."
        )
    return int(np.sum(correct_a & ~correct_b)), int(np.sum(~correct_a & correct_b))
