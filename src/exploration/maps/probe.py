"""Linear probe: how well a linear model tells categories apart by some features, held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...catalog.splits import group_folds
from ...core.arrays import Bools, Floats, Ints
from ...fusion.heads import fit_calibrated
from ...fusion.views import View
from ..overlap import share_draws


@dataclass(frozen=True)
class Probe:
    """Answers to n listings by models that saw none of their group.

    Parameters
    ----------
    log_probabilities
        Shape ``(n, n_categories)``.
    right, low, high
        Share of right answers, with its 95 % interval by what the groups are worth.
    """

    log_probabilities: Floats
    right: float
    low: float
    high: float


def linear_probe(
    view: View, labels: Ints, names: Sequence[str], groups: Ints, n_folds: int, seed: int
) -> Probe | None:
    """Fit the house's own linear head on all folds but one, and ask it about that one.

    Parameters
    ----------
    view
        Of n listings that are all there.
    labels
        Shape ``(n,)``, columns of `names`.
    groups
        Shape ``(n,)``: what is kept within one fold (duplicates, sellers, sessions).

    Returns
    -------
    Probe or None
        None where there are fewer than two categories or three groups.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 3 or len(np.unique(labels)) < 2:
        return None
    own = [names[label] for label in labels]
    folds = group_folds(own, groups, min(n_folds, n_groups), seed)
    _, answers = fit_calibrated(view, labels, len(names), folds)
    right = answers.argmax(axis=1) == labels
    low, high = interval(right, groups, seed)
    return Probe(answers, float(right.mean()), low, high)


def interval(hits: Bools, groups: Ints, seed: int = 0) -> tuple[float, float]:
    """Give the 95 % interval of a share; groups are counted, not listings (see `share_draws`).

    It reaches to 0 or 1 where nothing or everything is a hit.
    """
    draws = share_draws(hits, groups, np.random.default_rng(seed))
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low) if hits.any() else 0.0, 1.0 if hits.all() else float(high)
