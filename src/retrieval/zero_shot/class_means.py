"""How like the listings of each trained category a listing is: what a name alone can't say.

Names alone pull the listings of new categories to the names of known ones, and those of known ones
anywhere (Chao et al. 2016, "generalized zero-shot learning"). But of a known category there are
listings: what is unlike them isn't of it, whatever its name promises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.arrays import Bools, Floats, Ints
from ..ood.distance_detectors import category_means, whitening

USUAL = 0.65
"""Quantile of new listings' distances to their own categories; chosen on one real catalogue."""


@dataclass(frozen=True)
class ClassMeans:
    """Means of K known categories, whitened by the spread within them.

    Parameters
    ----------
    whitener
        Shape ``(d, d)``.
    means
        Shape ``(K, d)``, whitened.
    counts
        Shape ``(K,)``, the listings behind each.
    usual
        Shape ``(1,)``, a usual new listing's squared distance to its category; see `USUAL`.
    """

    whitener: Floats
    means: Floats
    counts: Floats
    usual: Floats

    @classmethod
    def fit(cls, points: Floats, labels: Ints) -> "ClassMeans":
        """Fit on ``(n, d)`` points; `labels` number the categories from 0. Not yet `with_usual`.

        Raises
        ------
        ValueError
            If a category has no listing, or none has two.
        """
        counts = np.bincount(labels)
        if not (counts > 1).any() or counts.min() < 1:
            raise ValueError(
                "Each category needs a listing, and one of them two, "
                f"got {counts.tolist()} listings."
            )
        means, own = category_means(points, labels)
        n = counts[own].astype(np.float64)
        # deviations from the mean of the others of its category are larger by n / (n - 1)
        spread = (points - means[own]) * np.sqrt(n / np.maximum(n - 1, 1))[:, None]
        whitener = whitening(spread[n > 1])
        return cls(
            whitener.astype(np.float32),
            (means @ whitener).astype(np.float32),
            counts.astype(np.float32),
            np.ones(1, np.float32),
        )

    def with_usual(self, distances: Floats) -> "ClassMeans":
        """Measure in units of new listings' `distances` to their own categories, shape ``(n,)``."""
        return replace(self, usual=np.array([max(np.quantile(distances, USUAL), 1e-6)], np.float32))

    def distances(self, points: Floats) -> Floats:
        """Squared distance of each to each category, ``(n, K)``, as if all were as well known."""
        white = (points @ self.whitener).astype(np.float64)
        squares = (white**2).sum(axis=1)[:, None] + (self.means**2).sum(axis=1)
        squares = np.maximum(squares - 2 * white @ self.means.T, 0.0)
        return np.asarray(squares / (1.0 + 1.0 / self.counts))

    def closeness(self, points: Floats) -> Floats:
        """Tell how close each is to each category, ``(n, K)``: 1 in its middle, 0 as usual."""
        return np.asarray(1.0 - self.distances(points) / self.usual)


def spread_out(
    closeness: Floats, known: Sequence[str], names: Sequence[str], present: Bools
) -> Floats:
    """Lay known categories' closeness out over `names`, ``(n, K)``; 0 for those by name only."""
    laid = np.zeros((len(closeness), len(names)), np.float32)
    place = {name: column for column, name in enumerate(names)}
    kept = [column for column, name in enumerate(known) if name in place]
    laid[:, [place[known[column]] for column in kept]] = closeness[:, kept]
    laid[~present] = 0.0
    return laid


def from_arrays(arrays: Mapping[str, Floats], n_known: int) -> ClassMeans:
    """Rebuild from the arrays of a bundle."""
    found = ClassMeans(**arrays)
    d = len(found.whitener)
    if found.whitener.shape != (d, d) or found.means.shape != (n_known, d):
        raise ValueError(
            f"{n_known} categories need means of {d} numbers, got {found.means.shape}."
        )
    return found
