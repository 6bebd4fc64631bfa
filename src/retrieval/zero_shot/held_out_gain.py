"""Is one way better than another on listings that neither has seen? Paired, by whole groups."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t

from ...core.arrays import Bools, Floats, Ints

TOP = 10


class Gain(NamedTuple):
    """A share before and after, and the 95 % interval of the difference."""

    before: float
    after: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether it is a gain beyond chance."""
        return self.low > 0


def paired_gain(before: Floats | Bools, after: Floats | Bools, groups: Ints) -> Gain:
    """Compare the means of two ways on the same n listings, by a t-interval over groups."""
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    ahead = np.bincount(own, np.asarray(after, float) - np.asarray(before, float))
    n, mean = len(sizes), float(ahead.sum() / sizes.sum())
    if n < 2:
        return Gain(float(np.mean(before)), float(np.mean(after)), -1.0, 1.0)
    spread = ((ahead - mean * sizes) ** 2).sum() * n / (n - 1)  # of a ratio of sums
    half = float(t.ppf(0.975, n - 1) * np.sqrt(spread) / sizes.sum())
    return Gain(float(np.mean(before)), float(np.mean(after)), mean - half, mean + half)


def hits(queries: Floats, targets: Floats, duplicates: Ints) -> Bools:
    """Tell whose own target is among the `TOP` most similar, shape ``(n,)``.

    Row by row they belong to one listing. Those of its duplicates don't count against it.
    """
    similarity = np.asarray(queries @ targets.T, dtype=np.float64)
    own = np.diag(similarity).copy()
    similarity[duplicates[:, None] == duplicates] = -np.inf
    return np.asarray((similarity >= own[:, None]).sum(axis=1) < TOP)
