"""How good are predicted probabilities: pure functions on arrays.

Top-k, log loss and calibration error are a line or two of NumPy, because scikit-learn's versions
warn or refuse where a real catalogue gets to (k above the number of categories, one category
only) and build a dense one-hot matrix; the tests hold them against scikit-learn and torchmetrics.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score

from ..core.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class ReliabilityCurve:
    """Stated against actual certainty, one entry for every bin that holds a listing.

    Parameters
    ----------
    confidence
        Mean stated probability of the bin's answers, 0 to 1.
    accuracy
        Share of them that is right, 0 to 1; below `confidence` = over-confident.
    n
        How many listings the bin holds.
    """

    confidence: Floats
    accuracy: Floats
    n: Ints


@dataclass(frozen=True)
class CoveragePrecisionCurve:
    """What share could be accepted unseen, and how often that would be right.

    Parameters
    ----------
    threshold
        Accept at this confidence or above; falling.
    coverage
        Share of all listings that is accepted then, 0 to 1; rising.
    precision
        Share of the accepted that is right, 0 to 1.
    """

    threshold: Floats
    coverage: Floats
    precision: Floats


def top_k_accuracy(probabilities: Floats, labels: Ints, k: int = 1) -> float:
    """Share of listings whose true category is among the `k` most probable ones.

    Of equally probable categories the earlier column goes first, as in ``argmax``. A `k` beyond
    the number of categories counts every listing as right.

    Parameters
    ----------
    probabilities
        Shape ``(n_listings, n_categories)``; larger is more likely.
    labels
        Shape ``(n_listings,)``, the true category's column.
    """
    _require_labels(probabilities, labels)
    if k < 1:
        raise ValueError(f"k must be 1 or more, but is {k}.")
    of_true = probabilities[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    n_ahead = ((probabilities > of_true) | ((probabilities == of_true) & earlier)).sum(axis=1)
    return float(np.mean(n_ahead < k))


def macro_f1(predicted: Ints, labels: Ints) -> float:
    """F1 averaged over categories, each counting the same.

    As in scikit-learn, over the categories that occur among the true or the predicted ones; one
    that is never right has an F1 of 0.
    """
    _require_pair(predicted, labels)
    return float(f1_score(labels, predicted, average="macro", zero_division=0))


def weighted_f1(predicted: Ints, labels: Ints) -> float:
    """F1 averaged over categories, each counting by its number of listings."""
    _require_pair(predicted, labels)
    return float(f1_score(labels, predicted, average="weighted", zero_division=0))


def log_loss(probabilities: Floats, labels: Ints) -> float:
    """Mean negative log probability of the true category, in nats; smaller is better.

    A probability of 0 is read as the smallest step of its float type, so that one sure mistake
    costs much but not everything.
    """
    _require_labels(probabilities, labels)
    of_true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(of_true, np.finfo(of_true.dtype).eps, 1.0)).mean())


def reliability_curve(probabilities: Floats, labels: Ints, n_bins: int = 15) -> ReliabilityCurve:
    """Sort each listing's top answer into bins of equal width, and see how often it is right.

    Parameters
    ----------
    probabilities
        Shape ``(n_listings, n_categories)``, rows sum to 1.
    labels
        Shape ``(n_listings,)``, the true category's column.
    n_bins
        Bins from 0 to 1; each holds its left edge, the last one its right edge (1.0) as well.
    """
    _require_labels(probabilities, labels)
    if n_bins < 1:
        raise ValueError(f"n_bins must be 1 or more, but is {n_bins}.")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    inner_edges = np.linspace(0, 1, n_bins + 1)[1:-1]
    bins = np.digitize(confidence, inner_edges)
    n = np.bincount(bins, minlength=n_bins)
    filled = n > 0
    return ReliabilityCurve(
        confidence=np.bincount(bins, weights=confidence, minlength=n_bins)[filled] / n[filled],
        accuracy=np.bincount(bins, weights=correct, minlength=n_bins)[filled] / n[filled],
        n=n[filled],
    )


def expected_calibration_error(probabilities: Floats, labels: Ints, n_bins: int = 15) -> float:
    """Mean gap between stated and actual certainty of the top answer (Guo et al. 2017).

    Returns
    -------
    float
        0 (a stated 80 % is right in 80 % of cases) to 1; smaller is better. See
        `reliability_curve` for the bins.
    """
    curve = reliability_curve(probabilities, labels, n_bins)
    gaps = np.abs(curve.confidence - curve.accuracy)
    return float(np.average(gaps, weights=curve.n))


def coverage_precision_curve(confidence: Floats, correct: Bools) -> CoveragePrecisionCurve:
    """Lower the bar step by step: how many listings pass, and what share of them is right.

    Listings of equal confidence pass together, so every point can be reached by a threshold.

    Parameters
    ----------
    confidence
        Shape ``(n_listings,)``; larger passes first.
    correct
        Shape ``(n_listings,)``.
    """
    _require_pair(confidence, correct)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    n_right = np.cumsum(correct[order])
    last_of_ties = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    n_passed = last_of_ties + 1
    return CoveragePrecisionCurve(
        threshold=ranked[last_of_ties],
        coverage=n_passed / len(ranked),
        precision=n_right[last_of_ties] / n_passed,
    )


def _require_pair(first: Floats | Ints | Bools, second: Ints | Bools) -> None:
    if first.ndim != 1 or first.shape != second.shape or len(first) == 0:
        raise ValueError(
            "Both arrays must have the same shape (n_listings,), with one listing or more, but "
            f"have {first.shape} and {second.shape}."
        )


def _require_labels(probabilities: Floats, labels: Ints) -> None:
    if probabilities.ndim != 2 or probabilities.shape[:1] != labels.shape or len(labels) == 0:
        raise ValueError(
            "Probabilities must have shape (n_listings, n_categories) and labels (n_listings,), "
            f"with one listing or more, but have {probabilities.shape} and {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(
            f"Labels must be columns 0 to {probabilities.shape[1] - 1}, but go from "
            f"{labels.min()} to {labels.max()}. Leave out listings of an unknown category first."
        )
