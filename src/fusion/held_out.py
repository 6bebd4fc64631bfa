"""What experts said about listings that they hadn't seen, and what weighing them by that gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from .pool import cross_fitted_pool, fit_weights, pool
from .views import PROTOTYPES, Modalities, all_patterns, modality

MIN_ROWS = 30
"""Fewer listings than this can't train a view's expert or a pattern's weights."""


@dataclass(frozen=True)
class HeldOut:
    """What a classifier said about training listings that it hadn't seen, for one pattern.

    Parameters
    ----------
    rows
        Shape ``(m,)``, the listings asked about that have every modality of the pattern.
    log_probabilities
        Shape ``(m, n_categories)``.
    """

    rows: Ints
    log_probabilities: Floats


def pool_patterns(
    answers: Mapping[str, Floats],
    calibrate: Mapping[str, Bools],
    labels: Ints,
    folds: Ints,
    answerable: Bools,
    asked: Bools,
) -> tuple[dict[Modalities, dict[str, float]], dict[Modalities, HeldOut]]:
    """Weigh experts for each pattern of modalities, by held-out answers; see `pool`.

    Parameters
    ----------
    answers
        View name -> what its expert said of the rows asked about, ``(n_asked, n_categories)``.
    calibrate
        View name -> shape ``(n,)``; see `View.calibration_mask`.
    answerable
        Shape ``(n,)``, the rows of categories that the experts that answered them knew.
    asked
        Shape ``(n,)``.
    """
    chosen = np.flatnonzero(asked)
    weights: dict[Modalities, dict[str, float]] = {}
    held_out: dict[Modalities, HeldOut] = {}
    for pattern in all_patterns(answers):
        names = [name for name in answers if modality(name) in pattern]
        there = np.all([calibrate[name][chosen] for name in names], axis=0)
        rows = chosen[there]
        if len(rows) < MIN_ROWS:
            continue
        experts = [answers[name] if there.all() else answers[name][there] for name in names]
        fair = answerable[rows]
        if fair.any():
            seen = experts if fair.all() else [each[fair] for each in experts]
            fitted = fit_weights(seen, labels[rows[fair]])
            pooled = cross_fitted_pool(experts, labels[rows], folds[rows], fair)
        else:
            fitted = _untried_weights(names)
            pooled = pool(experts, fitted.tolist())
        weights[pattern] = dict(zip(names, fitted.tolist(), strict=True))
        held_out[pattern] = HeldOut(rows, pooled)
    return weights, held_out


def _untried_weights(names: Sequence[str]) -> Floats:
    """Weigh experts that no listing could try: those that do with one example, all the same."""
    chosen = np.array([name.endswith(PROTOTYPES) for name in names])
    chosen = chosen if chosen.any() else ~chosen
    return np.asarray(chosen / chosen.sum())
