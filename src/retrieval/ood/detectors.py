"""Out-of-catalogue detectors by name: fit one on features, score, save as arrays."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Protocol

import numpy as np

from ...core.arrays import Floats, Ints, evenly_spaced
from ...core.errors import TrainingError
from .distance_detectors import Knn, Mahalanobis, WhitenedKnn
from .logit_detectors import Exposure, Vim


class Detector(Protocol):
    """A fitted scoring function; its fields are float32 arrays, nothing else."""

    method: ClassVar[str]

    def ood_score(self, features: Floats) -> Floats:
        """Features ``(n, d)`` -> ``(n,)``, larger = stranger."""
        ...


METHODS: dict[str, Any] = {kind.method: kind for kind in (Mahalanobis, Vim, Knn, WhitenedKnn)}
"""Name -> class with ``fit(features, labels)``. `Exposure` needs outside examples instead."""


MAX_LISTINGS = 5_000
"""Listings that a detector learns from; more make a detector large and slow, and hardly sharper."""
ROWS_AT_ONCE = 4_096


def fit_detector(method: str, features: Floats, labels: Ints) -> Detector:
    """Learn what the catalogue looks like, from `MAX_LISTINGS` of its listings at most.

    Parameters
    ----------
    features
        Shape ``(n, d)``, any length; they are brought to unit length.
    labels
        Shape ``(n,)``, each listing's category; all equal for none.

    Raises
    ------
    ValueError
        If the method is none of `METHODS`, or there isn't one label a row.
    TrainingError
        If there are fewer than two listings, or a number isn't finite.
    """
    if method not in METHODS:
        raise ValueError(f"The method must be one of {', '.join(METHODS)}, got {method!r}.")
    if len(labels) != len(features):
        raise ValueError(
            f"There must be one label a row, got {len(labels)} labels and {len(features)} rows."
        )
    if len(features) < 2:
        raise TrainingError(
            f"An out-of-catalogue detector needs at least 2 listings, got {len(features)}. "
            "Add listings."
        )
    if not np.isfinite(features).all():
        raise TrainingError(
            "Features must be finite, got NaN or infinity. Embed the listings anew."
        )
    kept = evenly_spaced(len(features), MAX_LISTINGS)
    detector: Detector = METHODS[method].fit(features[kept], labels[kept])
    return detector


def ood_score(fitted: Detector, features: Floats) -> Floats:
    """Score features ``(n, d)``; shape ``(n,)``, float32, larger = stranger."""
    starts = range(0, max(len(features), 1), ROWS_AT_ONCE)
    scores = [fitted.ood_score(features[start : start + ROWS_AT_ONCE]) for start in starts]
    return np.concatenate(scores).astype(np.float32)


def to_arrays(fitted: Detector) -> dict[str, Floats]:
    """Give the detector's arrays by field; with `fitted.method` they rebuild it."""
    return {field.name: getattr(fitted, field.name) for field in fields(fitted)}  # type: ignore[arg-type]


def from_arrays(method: str, arrays: Mapping[str, Floats]) -> Detector:
    """Rebuild what `to_arrays` gave."""
    kind = Exposure if method == Exposure.method else METHODS[method]
    detector: Detector = kind(**arrays)
    return detector
