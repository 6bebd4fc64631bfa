"""Multinomial logistic regression with an L2 penalty, by L-BFGS that knows the features' shape.

Where all answers are equally likely the loss curves as the features vary: steeply along their few
main directions, hardly along the others. A plain L-BFGS takes a hundred steps to learn that.
Starting it from the inverse of that curvature (one eigendecomposition, shared by all penalties and
folds, because it looks at no label) leaves about ten. Products are in single precision, sums of
losses in double, and rows are worked through in blocks, so memory beside the features is bounded.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_matrix, issparse

from ..core.arrays import Floats, Ints, evenly_spaced

Features: TypeAlias = Floats | csr_matrix

MAX_ROWS = 20_000
"""Rows that tell the features' curvature well enough."""
BLOCK_ROWS = 8_192
MEMORY = 4
MAX_STEPS = 200
TOLERANCE = 1e-4
"""Fitting ends where the next step promises to lower the loss by less than this share of it."""


@dataclass(frozen=True)
class Curvature:
    """How features vary, whatever their labels are.

    Parameters
    ----------
    mean
        Shape ``(d,)``.
    variances
        Shape ``(d,)``, along each of the axes.
    axes
        Shape ``(d, d)``, orthonormal columns; None for sparse features: each feature is an axis.
    """

    mean: Floats
    variances: Floats
    axes: Floats | None

    @classmethod
    def of(cls, features: Features) -> "Curvature":
        """Look at `MAX_ROWS` of the rows, evenly spaced."""
        n, d = features.shape
        rows = evenly_spaced(n, MAX_ROWS)
        x = features if len(rows) == n else features[rows]
        mean = np.asarray(x.mean(axis=0), dtype=np.float32).ravel()
        if issparse(x):
            squares = np.asarray(x.multiply(x).mean(axis=0), dtype=np.float32).ravel()
            return cls(mean, np.maximum(squares - mean**2, 0.0), None)
        covariance = x.T @ x / np.float32(len(x)) - np.outer(mean, mean)
        variances, axes = eigh(covariance, overwrite_a=True, check_finite=False)
        return cls(mean, np.maximum(variances, 0.0), axes)

    def solve(self, slope: Floats, weight: Floats, penalty: float) -> Floats:
        """Divide by ``weight * variance + penalty``, axis by axis.

        Parameters
        ----------
        slope
            Shape ``(d, K)``.
        weight
            Shape ``(K,)``, how much of the variance each category's loss feels.
        """
        bend = np.multiply.outer(self.variances, weight) + np.float32(penalty)
        if self.axes is None:
            return np.asarray(slope / bend)
        return np.asarray(self.axes @ (self.axes.T @ slope / bend))


def fit_softmax(
    features: Features,
    labels: Ints,
    n_categories: int,
    c: float,
    weights: Floats | None = None,
    curvature: Curvature | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Floats, Floats]:
    """Minimise ``c`` times the summed log loss plus half the coefficients' squares.

    Parameters
    ----------
    features
        Shape ``(n, d)``, float32, dense or sparse.
    labels
        Shape ``(n,)``, 0 to ``n_categories - 1``; each of them occurs.
    c
        Inverse strength of the penalty, above 0; intercepts bear none.
    weights
        Shape ``(n,)``, what each row counts; None: 1.
    curvature
        Of these features or of more of their kind: it decides how fast the minimum is found, not
        where it is. None: of these.
    tolerance
        Share of the loss that one more step must promise; less ends the search.

    Returns
    -------
    Floats, Floats
        Coefficients ``(n_categories, d)`` and intercepts ``(n_categories,)``, float32.
    """
    curvature = Curvature.of(features) if curvature is None else curvature
    problem = _Problem(features, labels, n_categories, c, weights, curvature)
    x = np.zeros((features.shape[1] + 1, n_categories), dtype=np.float32)
    x[-1] = problem.log_shares
    value, slope = problem.value_and_slope(x)
    steps: list[tuple[Floats, Floats, float]] = []
    for _ in range(MAX_STEPS):
        direction = _direction(problem, steps, slope)
        promised = -_dot(direction, slope)
        if promised / 2 <= tolerance * value:
            break
        length = 1.0
        while True:
            moved = x + np.float32(length) * direction
            new_value, new_slope = problem.value_and_slope(moved)
            if new_value <= value - 1e-4 * length * promised or length < 1e-3:
                break
            length /= 2
        if not new_value < value:
            break
        change = new_slope - slope
        bend = length * _dot(direction, change)
        if bend > 1e-6 * length * promised:
            steps = [*steps[-MEMORY + 1 :], (moved - x, change, bend)]
        x, value, slope = moved, new_value, new_slope
    coefficients, intercepts = x[:-1], x[-1] - curvature.mean @ x[:-1]
    return np.ascontiguousarray(coefficients.T), intercepts


def _dot(one: Floats, other: Floats) -> float:
    return float(np.vdot(one, other))


def _direction(
    problem: "_Problem", steps: list[tuple[Floats, Floats, float]], slope: Floats
) -> Floats:
    """Where L-BFGS would go: the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4)."""
    direction, shares = -slope, []
    for moved, change, bend in reversed(steps):
        share = _dot(moved, direction) / bend
        direction -= np.float32(share) * change
        shares.append(share)
    direction = problem.precondition(direction)
    if steps:
        *_, (_, change, bend) = steps
        direction *= np.float32(bend / _dot(change, problem.precondition(change)))
    for (moved, change, bend), share in zip(steps, reversed(shares), strict=True):
        direction += np.float32(share - _dot(change, direction) / bend) * moved
    return direction


class _Problem:
    """Mean loss and its slope at coefficients ``(d + 1, K)``; the last row are intercepts.

    Features count from their mean: then intercepts and coefficients hardly disturb each other.
    """

    def __init__(
        self,
        features: Features,
        labels: Ints,
        n_categories: int,
        c: float,
        weights: Floats | None,
        curvature: Curvature,
    ) -> None:
        n = len(labels)
        self.labels, self.curvature = labels, curvature
        counts = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        total = counts.sum()
        shares = np.bincount(labels, counts, n_categories) / total
        self.log_shares = np.log(shares)
        self.bend = (shares * (1 - shares)).astype(np.float32)
        self.penalty = float(1 / (c * total))
        self.counts = (counts / total).astype(np.float32)
        self.blocks = []
        for start in range(0, n, BLOCK_ROWS):
            rows = slice(start, min(n, start + BLOCK_ROWS))
            block = features[rows]
            turned = block.T.tocsr() if issparse(block) else block.T
            self.blocks.append((rows, block, turned))

    def precondition(self, slope: Floats) -> Floats:
        solved = np.empty_like(slope)
        solved[:-1] = self.curvature.solve(slope[:-1], self.bend, self.penalty)
        solved[-1] = slope[-1] / self.bend
        return solved

    def value_and_slope(self, x: Floats) -> tuple[float, Floats]:
        coefficients = x[:-1]
        shift = x[-1] - self.curvature.mean @ coefficients
        value = 0.5 * self.penalty * _dot(coefficients, coefficients)
        slope = np.empty_like(x)
        slope[:-1] = np.float32(self.penalty) * coefficients
        total = np.zeros(x.shape[1])
        for rows, block, turned in self.blocks:
            answers = block @ coefficients
            answers += shift
            loss, answers = _residuals(answers, self.labels[rows], self.counts[rows])
            value += loss
            slope[:-1] += turned @ answers
            total += answers.sum(axis=0)
        slope[-1] = total
        slope[:-1] -= np.outer(self.curvature.mean, slope[-1])
        return value, slope


def _residuals(logits: Floats, labels: Ints, counts: Floats) -> tuple[float, Floats]:
    """Give the loss, and turn logits into what each misses by, in place."""
    own = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    right = logits[own, labels].astype(np.float64)
    np.exp(logits, out=logits)
    sums = logits.sum(axis=1)
    loss = float(counts @ (np.log(sums, dtype=np.float64) - right))
    logits *= (counts / sums)[:, None]
    logits[own, labels] -= counts
    return loss, logits
