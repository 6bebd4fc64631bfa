"""Few listings with many features: what they say about each other fits into fewer numbers."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import issparse

from ..core.arrays import Floats
from .softmax_regression import Curvature
from .views import Features

MAX_ROWS = 2_048
"""More rows than this cost more to turn than the turned ones save."""
RELATIVE_VARIANCE = 1e-7
TINY = 1e-12
"""Directions with less of the largest one's variance, or of any, are rounding."""


@dataclass(frozen=True)
class Span:
    """Rows in coordinates of the space that they span, seen from their mean.

    A penalised head has no coefficients outside of it (the representer theorem), so a head fitted
    on `rows`, or on some of them, is the one fitted on the features.

    Parameters
    ----------
    features
        Shape ``(n, d)``.
    rows
        Shape ``(n, r)``, r below n; inner products are those of the centred features.
    shares
        Shape ``(n, r)``, how the listings add up to each direction; each column's sum is 0.
    """

    features: Features
    rows: Floats
    shares: Floats

    @classmethod
    def of(cls, features: Features) -> "Span | None":
        """Find it; None where it would save nothing, or all rows are the same."""
        n, d = features.shape
        if not n < min(d, MAX_ROWS):
            return None
        exact = features.astype(np.float64)
        products = exact @ exact.T
        gram = np.asarray(products.toarray() if issparse(products) else products)
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1, keepdims=True)
        squares, axes = eigh(gram, overwrite_a=True, check_finite=False)
        kept = squares > max(RELATIVE_VARIANCE * squares[-1], TINY)
        if not kept.any():
            return None
        lengths = np.sqrt(squares[kept])
        rows, shares = axes[:, kept] * lengths, axes[:, kept] / lengths
        return cls(features, rows.astype(np.float32), shares.astype(np.float32))

    @property
    def curvature(self) -> Curvature:
        """Of the rows: the coordinates are their main directions already."""
        variances = (self.rows**2).mean(axis=0)
        return Curvature(np.zeros_like(variances), variances, None)

    def unspanned(self, coefficients: Floats, intercepts: Floats) -> tuple[Floats, Floats]:
        """Turn what was fitted on `rows`, ``(K, r)`` and ``(K,)``, into a head of the features."""
        of_listings = self.shares @ coefficients.T
        whole = np.ascontiguousarray((self.features.T @ of_listings).T)
        mean = np.asarray(self.features.mean(axis=0)).ravel()
        return whole, np.asarray(intercepts - whole @ mean, dtype=np.float32)
