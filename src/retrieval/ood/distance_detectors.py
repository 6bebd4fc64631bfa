"""How far a listing lies from the catalogue's: Mahalanobis, nearest neighbours, and both in one.

Features are brought to unit length first: on raw ones, brightness and busyness of a photo drown
what it shows. Every score: larger = stranger.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import cholesky, solve_triangular, svd
from scipy.sparse import csr_array

from ...core.arrays import Floats, Ints, unit_rows

K = 10
"""Neighbours averaged; one alone is a duplicate or an accident."""
_ROWS_AT_A_TIME = 2048
_VARIANCE_FLOOR = 1e-6  # unit vectors' variance is about 1/d; this only keeps constants invertible


def category_means(features: Floats, labels: Ints) -> tuple[Floats, Ints]:
    """Average each category that occurs, in ascending order: shape ``(n_categories, d)``.

    With it comes each listing's row among them, shape ``(n,)``.
    """
    _, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    # a row for each category, its listings' shares: adding up row by row takes far longer
    shares = csr_array((1.0 / counts[own], (own, np.arange(len(own)))))
    return np.asarray(shares @ features), own


def whitening(centred: Floats) -> Floats:
    """Find the map after which deviations from a mean have unit variance in every direction.

    The covariance is shrunk towards a sphere by as much as Ledoit & Wolf (2004) find best, so it
    can be inverted with fewer listings than dimensions. From ``(n, d)`` deviations it makes
    ``(d, d)``: squared length of ``x @ whitening`` is x's squared Mahalanobis distance.
    """
    n, d = centred.shape
    if n < d:
        return _whitening_of_few(centred)
    covariance = shrunk_covariance(centred)
    covariance[np.diag_indices_from(covariance)] += _VARIANCE_FLOOR
    lower = cholesky(covariance, lower=True)
    return np.asarray(solve_triangular(lower, np.eye(len(lower)), lower=True).T)


def _whitening_of_few(centred: Floats) -> Floats:
    """Do the same by the directions in which fewer listings than dimensions lie.

    All others have one variance. The map is another root of the inverse covariance than Cholesky's,
    turned within the whitened space, where only lengths and angles count.
    """
    _, singular, directions = svd(centred.astype(np.float64), full_matrices=False)
    variances = singular**2 / len(centred)
    kept, added = _shrinkage(centred, float(variances.sum()), float((variances**2).sum()))
    rest = (added + _VARIANCE_FLOOR) ** -0.5
    own = (kept * variances + added + _VARIANCE_FLOOR) ** -0.5
    whitener = (directions.T * (own - rest)) @ directions
    whitener[np.diag_indices_from(whitener)] += rest
    return np.asarray(whitener)


def shrunk_covariance(centred: Floats) -> Floats:
    """Ledoit & Wolf's estimate, as scikit-learn's `ledoit_wolf` has it, by one product, not three.

    Shape ``(d, d)`` from ``(n, d)`` deviations from a mean.
    """
    covariance = np.asarray(centred.T @ centred, dtype=np.float64) / len(centred)
    kept, added = _shrinkage(centred, float(np.trace(covariance)), float((covariance**2).sum()))
    covariance *= kept
    covariance[np.diag_indices_from(covariance)] += added
    return np.asarray(covariance)


def _shrinkage(centred: Floats, trace: float, squares: float) -> tuple[float, float]:
    """Say which share of a covariance stays, and which variance all directions get instead.

    `trace` and `squares` are the sums of its diagonal and of its squared entries.
    """
    n, d = centred.shape
    lengths = (centred.astype(np.float64) ** 2).sum(axis=1)
    noise = (float((lengths**2).sum()) / n - squares) / n
    spread = squares - trace**2 / d
    shrinkage = 0.0 if noise <= 0 else min(noise, spread) / spread if spread > 0 else 1.0
    return 1.0 - shrinkage, shrinkage * trace / d


def neighbour_distance(features: Floats, reference: Floats, k: int) -> Floats:
    """Average the cosine distance, 0 (the same) to 2, to the `k` nearest reference rows.

    Rows of both are of unit length.
    """
    k = min(k, len(reference))
    distances = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), _ROWS_AT_A_TIME):
        similarity = features[start : start + _ROWS_AT_A_TIME] @ reference.T
        nearest = np.partition(similarity, similarity.shape[1] - k, axis=1)[:, -k:]
        distances[start : start + len(nearest)] = 1.0 - nearest.mean(axis=1)
    return distances


@dataclass(frozen=True)
class Mahalanobis:
    """Squared distance to the nearest category, in units of the spread within categories.

    Lee et al. (2018). With one category for all, it is the distance to a single Gaussian. Shapes:
    whitened means ``(n_categories, d)``, whitener ``(d, d)``.
    """

    method: ClassVar[str] = "mahalanobis"
    means: Floats
    whitener: Floats

    @classmethod
    def fit(cls, features: Floats, labels: Ints) -> "Mahalanobis":
        x = unit_rows(features)
        means, own = category_means(x, labels)
        whitener = whitening(x - means[own])
        return cls((means @ whitener).astype(np.float32), whitener.astype(np.float32))

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, 0 or more; about d for a listing that belongs."""
        white = (unit_rows(features) @ self.whitener).astype(np.float64)
        means = self.means.astype(np.float64)
        squares = (white**2).sum(axis=1)[:, None] + (means**2).sum(axis=1)
        return np.asarray(np.maximum((squares - 2 * white @ means.T).min(axis=1), 0.0))


@dataclass(frozen=True)
class Knn:
    """Mean cosine distance to the nearest listings (Sun et al. 2022).

    Reference listings have shape ``(n_reference, d)``, unit length.
    """

    method: ClassVar[str] = "knn"
    reference: Floats

    @classmethod
    def fit(cls, features: Floats, labels: Ints) -> "Knn":  # noqa: ARG003 - one signature for all
        return cls(unit_rows(features))

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, 0 to 2."""
        return neighbour_distance(unit_rows(features), self.reference, K)


@dataclass(frozen=True)
class WhitenedKnn:
    """Neighbours after whitening by the spread within categories.

    What differs inside every category (a brand, a pack size, a background) counts less; what tells
    categories apart counts more. Shapes: mean ``(d,)``, whitener ``(d, d)``, reference
    ``(n_reference, d)``, whitened, unit length.
    """

    method: ClassVar[str] = "whitened_knn"
    mean: Floats
    whitener: Floats
    reference: Floats

    @classmethod
    def fit(cls, features: Floats, labels: Ints) -> "WhitenedKnn":
        x = unit_rows(features)
        means, own = category_means(x, labels)
        mean, whitener = x.mean(axis=0), whitening(x - means[own]).astype(np.float32)
        return cls(mean, whitener, unit_rows((x - mean) @ whitener))

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, 0 to 2."""
        white = unit_rows((unit_rows(features) - self.mean) @ self.whitener)
        return neighbour_distance(white, self.reference, K)
