"""Multinomial logistic regression with an L2 penalty, by L-BFGS that knows the features' shape.

Where all answers are equally likely the loss curves as the features vary: steeply along their few
main directions, hardly along the others. A plain L-BFGS takes a hundred steps to learn that.
Starting it from the inverse of that curvature (one eigendecomposition, shared by all penalties and
folds, because it looks at no label) leaves about ten. Products are in single precision, sums of
losses in double, and rows are worked through in blocks, so memory beside the features is bounded.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import saxpy
from scipy.sparse import csr_matrix, issparse

from ..core.arrays import Floats, Ints, evenly_spaced

Features: TypeAlias = Floats | csr_matrix

MAX_ROWS = 20_000
"""Rows that tell the features' curvature well enough."""
BLOCK_ROWS = 8_192
MEMORY = 4
MAX_STEPS = 200
SUFFICIENT, SHORTEST = 1e-4, 1e-3
"""Share of what a step promised that it must keep; the shortest share of a step that is tried."""
TOLERANCE = 1e-5
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
        Shape ``(d, d)``, orthonormal columns; None where features are the axes, as sparse ones are.
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
            # words vary too unevenly to go by: a sphere is found to be as good
            rest = max(float(x.multiply(x).sum()) / x.shape[0] - float(mean @ mean), 0.0)
            return cls(mean, np.full(d, rest / d, dtype=np.float32), None)
        covariance = x.T @ x / np.float32(len(x)) - np.outer(mean, mean)
        variances, axes = eigh(covariance, overwrite_a=True, check_finite=False)
        return cls(mean, np.maximum(variances, 0.0), axes)


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
    x = problem.start()
    value, slope = problem.value_and_slope(x)
    steps: deque[_Step] = deque(maxlen=MEMORY)
    for _ in range(MAX_STEPS):
        direction = _direction(steps, slope)
        promised, length = -_dot(direction, slope), 1.0
        if promised / 2 <= tolerance * value:
            break
        while True:
            moved = x + np.float32(length) * direction
            new_value, new_slope = problem.value_and_slope(moved)
            if new_value <= value - SUFFICIENT * length * promised or length < SHORTEST:
                break
            length /= 2
        if not new_value < value:
            break  # single precision sees no way down from here
        direction *= np.float32(length)
        change = new_slope - slope
        bend = _dot(direction, change)
        if bend > 0:
            steps.append(_Step(direction, change, bend, bend / _dot(change, change)))
        x, value, slope = moved, new_value, new_slope
    return problem.solution(x)


class _Step(NamedTuple):
    """What a step taught: how far it went, how the slope changed, and what follows from both."""

    moved: Floats
    change: Floats
    bend: float
    scale: float


def _dot(one: Floats, other: Floats) -> float:
    return float(np.vdot(one, other))


def _direction(steps: Sequence[_Step], slope: Floats) -> Floats:
    """Where L-BFGS goes: the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4)."""
    direction, shares = -slope, []
    for step in reversed(steps):
        shares.append(_dot(step.moved, direction) / step.bend)
        saxpy(step.change, direction, a=-shares[-1])  # in place
    if steps:
        direction *= np.float32(steps[-1].scale)
    for step, share in zip(steps, reversed(shares), strict=True):
        saxpy(step.moved, direction, a=share - _dot(step.change, direction) / step.bend)
    return direction


class _Problem:
    """Mean loss and its slope in coordinates in which it curves alike in all directions at first.

    A point is flat, ``(d + 1) * K`` long: coefficients along the features' axes, then intercepts,
    each times the root of its curvature. Features count from their mean: then intercepts and
    coefficients hardly disturb each other.
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
        counts = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        total = counts.sum()
        self.labels, self.mean, self.axes = labels, curvature.mean, curvature.axes
        self.counts = (counts / total).astype(np.float32)
        self.penalty = 1 / (c * total)
        self.shares = np.bincount(labels, counts, n_categories) / total
        bends = np.multiply.outer(
            np.append(curvature.variances, 1), self.shares * (1 - self.shares)
        )
        bends[:-1] += self.penalty
        self.scale = (1 / np.sqrt(bends)).astype(np.float32)
        self.blocks = []
        for start in range(0, n, BLOCK_ROWS):
            rows = slice(start, min(n, start + BLOCK_ROWS))
            block = features[rows]
            self.blocks.append((rows, block, block.T.tocsr() if issparse(block) else block.T))

    def start(self) -> Floats:
        """The categories' shares for every row."""
        x = np.zeros_like(self.scale)
        x[-1] = np.log(self.shares) / self.scale[-1]
        return np.asarray(x.ravel())

    def value_and_slope(self, x: Floats) -> tuple[float, Floats]:
        scaled = self.scale * x.reshape(self.scale.shape)
        along, shift = scaled[:-1], scaled[-1]
        coefficients = along if self.axes is None else self.axes @ along
        value = self.penalty / 2 * _dot(along, along)
        shift = shift - self.mean @ coefficients
        uphill = np.zeros_like(coefficients)
        total = np.zeros(len(shift), dtype=np.float32)
        for rows, block, turned in self.blocks:
            answers = block @ coefficients
            answers += shift
            value += _turn_into_residuals(answers, self.labels[rows], self.counts[rows])
            uphill += turned @ answers
            total += answers.sum(axis=0)
        uphill -= np.multiply.outer(self.mean, total)
        slope = scaled
        slope[:-1] *= np.float32(self.penalty)
        slope[:-1] += uphill if self.axes is None else self.axes.T @ uphill
        slope[-1] = total
        slope *= self.scale
        return value, slope.ravel()

    def solution(self, x: Floats) -> tuple[Floats, Floats]:
        """Coefficients ``(K, d)`` and intercepts ``(K,)`` for features as they are.

        What all categories have in common changes no answer and costs penalty: it is taken out.
        """
        scaled = self.scale * x.reshape(self.scale.shape)
        scaled -= scaled.mean(axis=1, keepdims=True)
        coefficients = scaled[:-1] if self.axes is None else self.axes @ scaled[:-1]
        return np.ascontiguousarray(coefficients.T), scaled[-1] - self.mean @ coefficients


def _turn_into_residuals(logits: Floats, labels: Ints, counts: Floats) -> float:
    """Give the loss, and turn logits into what each answer misses by, in place."""
    own = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    right = logits[own, labels].astype(np.float64)
    np.exp(logits, out=logits)
    sums = logits.sum(axis=1)
    loss = float(counts @ (np.log(sums, dtype=np.float64) - right))
    logits *= (counts / sums)[:, None]
    logits[own, labels] -= counts
    return loss
