"""Coverage against precision for the arms worth drawing, thinned to what an eye can tell apart."""

from collections.abc import Sequence

import numpy as np

from .baselines import FUSION, SINGLE_VIEWS
from .compare import EvaluationInput
from .metrics import CoveragePrecisionCurve, coverage_precision_curve

MAX_POINTS = 400
MIN_COVERAGE = 0.05  # below it, a precision is that of a handful of listings


def acceptance_curves(evaluation: EvaluationInput) -> dict[str, CoveragePrecisionCurve]:
    """Curve of fusion and of each single view, on all listings: unknown categories are errors."""
    return {
        arm: _thinned(coverage_precision_curve(evaluation.confidence(arm), evaluation.correct(arm)))
        for arm in (FUSION, *SINGLE_VIEWS)
        if arm in evaluation.baselines
    }


def precision_by_coverage(evaluation: EvaluationInput) -> dict[int, float]:
    """Share right among the surest listings, by what share of all they are.

    Returns
    -------
    dict
        Coverage in whole percent, 5 to 100 -> fusion's precision, 0 to 1.
    """
    curve = acceptance_curves(evaluation)[FUSION]
    percents = np.floor(100 * curve.coverage + 1e-9).astype(int)
    return dict(zip(percents.tolist(), curve.precision.tolist(), strict=True))


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move labels' positions up until each is at least `gap` above the one below it."""
    moved = list(values)
    last = -np.inf
    for i in np.argsort(values, kind="stable"):
        last = max(moved[i], last + gap)
        moved[i] = last
    return moved


def _thinned(curve: CoveragePrecisionCurve) -> CoveragePrecisionCurve:
    drawn = np.flatnonzero(curve.coverage >= MIN_COVERAGE)
    kept = drawn[np.unique(np.linspace(0, len(drawn) - 1, MAX_POINTS).astype(int))]
    return CoveragePrecisionCurve(
        curve.threshold[kept], curve.coverage[kept], curve.precision[kept]
    )
