"""Bounds of a share that hold at every moment: whoever watches may look after each answer."""

import math

import numpy as np

from ..core.arrays import Bools, Floats

N_GRID = 2_000
"""Shares that are tried; bounds are rounded to the safe side of them."""
MAX_LOSS = 0.75
"""Share of the capital that a single answer can cost."""


def confidence_sequence(right: Bools | Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Bound the share of right answers from below and from above, each with this confidence.

    By betting (Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by
    betting"): against each share that is too high or too low a gambler's capital grows, and by
    Ville's inequality it exceeds ``1 / (1 - confidence)`` against the true one with probability
    ``1 - confidence`` at most, ever. Stakes are predictable plug-ins: what was seen before sets
    them. Each bound holds by itself; both together with ``2 * confidence - 1``.

    Parameters
    ----------
    right
        Shape ``(n,)``, in the order in which the answers came; each is right with the same
        probability whatever came before it. Or numbers of 0 to 1 in place of wrong and right, whose
        mean, whatever came before, is what is bounded.
    confidence
        Above 0, below 1.

    Returns
    -------
    float, float
        0 and 1 where nothing is known yet.
    """
    shares = np.linspace(0, 1, N_GRID + 1)[1:-1]
    wanted = -math.log(1 - confidence)
    above, below = np.zeros_like(shares), np.zeros_like(shares)  # log capital against each share
    too_low, too_high = np.zeros(len(shares), dtype=bool), np.zeros(len(shares), dtype=bool)
    seen, squares, mean, variance = 0.5, 0.25, 0.5, 0.25
    for number, answer in enumerate(right.astype(np.float64), start=1):
        stake = math.sqrt(2 * wanted / (variance * number * math.log1p(number)))
        gain = answer - shares
        above += np.log1p(np.minimum(stake, MAX_LOSS / shares) * gain)
        below += np.log1p(-np.minimum(stake, MAX_LOSS / (1 - shares)) * gain)
        too_low |= above >= wanted
        too_high |= below >= wanted
        seen += answer
        mean = seen / (number + 1)
        squares += (answer - mean) ** 2
        variance = squares / (number + 1)
    low = shares[too_low].max(initial=0.0)
    high = shares[too_high].min(initial=1.0)
    return float(low), float(high)
