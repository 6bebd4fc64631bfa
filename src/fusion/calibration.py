"""Calibration: make a probability of 0.9 right nine times out of ten."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import entr

from ..core.arrays import Bools, Floats, Ints, evenly_spaced
from ..core.errors import CalibrationError

MAX_ANSWERS = 2**21
"""Numbers among held-out answers that fix a temperature or a few weights: some 14,000 listings in
150 categories. More would move them by less than chance does."""

MAX_HELD_OUT, MIN_HELD_OUT = 2**26, 10_000
"""Numbers among the held-out answers that training keeps of one expert (256 MiB), as long as these
are so many listings: all 150,000 in 150 categories, 13,800 in 4,860."""


def log_loss(log_probabilities: Floats, labels: Ints) -> float:
    """Mean negative log-probability of the true category, in nats; smaller is better."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def entropy(probabilities: Floats) -> Floats:
    """Tell how unsure answers ``(n, K)`` are; shape ``(n,)``, 0 (certain) to log K, in nats."""
    return np.asarray(entr(probabilities).sum(axis=1))


def enough_rows(n: int, n_categories: int) -> Ints:
    """Pick the rows to calibrate on: all, or as many as make `MAX_ANSWERS`, evenly spaced."""
    return evenly_spaced(n, max(2_000, MAX_ANSWERS // n_categories))


def held_out_fraction(n: int, n_categories: int) -> float:
    """Say which share of n listings is asked about while training; see `MAX_HELD_OUT`."""
    return min(1.0, max(MIN_HELD_OUT, MAX_HELD_OUT // n_categories) / max(n, 1))


def some_rows(n: int, fraction: float) -> Bools:
    """Pick a share of n rows, evenly spaced; shape ``(n,)``."""
    chosen = np.zeros(n, dtype=bool)
    chosen[evenly_spaced(n, int(np.ceil(fraction * n)))] = True
    return chosen


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Find the temperature that minimises log loss on held-out listings (Guo et al. 2017).

    The ranking of categories never changes, so accuracy stays; only the confidence moves. Of very
    many listings some are looked at; see `enough_rows`.

    Parameters
    ----------
    logits
        Shape ``(n_listings, n_categories)``, in nats; larger is more likely.
    labels
        Shape ``(n_listings,)``, the true category's column.

    Returns
    -------
    float
        Divide logits by this. Above 1 softens an over-confident model. Between 0.02 and 50.

    Raises
    ------
    CalibrationError
        If there is no listing, a logit isn't finite, or a label has no column.
    """
    if len(labels) == 0 or logits.shape[0] != len(labels):
        raise CalibrationError(
            f"Temperature needs one label for each row of logits and at least one row, "
            f"got {logits.shape[0]} rows and {len(labels)} labels."
        )
    if not np.isfinite(logits).all():
        raise CalibrationError("Temperature needs finite logits, got NaN or infinity.")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise CalibrationError(
            f"Labels must be 0 to {logits.shape[1] - 1}, got {labels.min()} to {labels.max()}."
        )

    rows = enough_rows(*logits.shape)
    missed = logits[rows].astype(np.float64)
    missed -= missed[np.arange(len(rows)), labels[rows]][:, None]  # 0 for the true category
    most = missed.max(axis=1)
    below, lead = missed - most[:, None], float(most.mean())

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        return float(np.log(np.exp(below / temperature).sum(axis=1)).mean() + lead / temperature)

    best = minimize_scalar(loss, bounds=(np.log(0.02), np.log(50.0)), method="bounded")
    return float(np.exp(best.x))
