"""What the detector compares with: the catalogue's own scores, for every set of views."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from ...core.arrays import Floats, Ints
from ...fusion.views import Modalities, modality
from .conformal import voices
from .photo_title_view import JOINT_PARTS, JOINT_VIEW

Names: TypeAlias = frozenset[str]

MIN_ROWS = 30
"""Fewer listings than this can't fit a view's detectors or calibrate a set of views."""
LEAST_SPREAD = 0.1
"""In nats: where a classifier is equally sure of all its own listings, being a hundredth of a nat
less sure of another (99 % instead of 99.9 %) doesn't yet make that one strange."""


@dataclass(frozen=True)
class Calibration:
    """Scores of the catalogue's own listings, by detectors that hadn't seen them.

    Parameters
    ----------
    ood_scores, categories
        Shape ``(n,)``; larger = stranger; the category each listing is (taken for).
    weights
        Shape ``(n,)``, what each counts; see `conformal.voices`. None, as in bundles from before
        groups were counted: all the same.
    uncertainty
        Shape ``(n,)``, how unsure the classifier was of each, in nats (entropy); None where that
        isn't known, as in bundles from before it was asked.
    """

    ood_scores: Floats
    categories: Ints
    weights: Floats | None = None
    uncertainty: Floats | None = None

    def __post_init__(self) -> None:
        given = (self.ood_scores, self.categories, self.weights, self.uncertainty)
        shapes = {array.shape for array in given if array is not None}
        if shapes != {(len(self.categories),)}:
            raise ValueError(f"A calibration's arrays must have one row a listing, got {shapes}.")

    @property
    def n_voices(self) -> float:
        """Count the listings, or their groups."""
        return float(len(self.categories) if self.weights is None else self.weights.sum())

    def comparable(
        self, n_views: int, ood_scores: Floats, uncertainty: Floats | None
    ) -> tuple[Floats, Floats]:
        """Give the calibration's and new scores, the uncertainty added to both as one more view.

        What no category fits is strange, even where it looks like the catalogue's own.

        Parameters
        ----------
        n_views
            Number of views that were added up to a score.
        ood_scores, uncertainty
            Shape ``(m,)``.
        """
        if self.uncertainty is None or uncertainty is None:
            return self.ood_scores, ood_scores
        usual = float(self.uncertainty.mean())
        spread = max(float(self.uncertainty.std()), LEAST_SPREAD)
        weight = np.sqrt(n_views)
        return (
            weight * self.ood_scores + (self.uncertainty - usual) / spread,
            weight * ood_scores + (uncertainty - usual) / spread,
        )


def calibrations(
    scores: Mapping[str, Floats],
    categories: Ints,
    groups: Ints,
    uncertainty: Mapping[Modalities, Floats],
) -> dict[Names, Calibration]:
    """Score calibration listings as if they had only these views, for every set of views."""
    known: dict[Names, Calibration] = {}
    single = sorted(scores.keys() - {JOINT_VIEW})
    for size in range(1, len(single) + 1):
        for chosen in combinations(single, size):
            space = {JOINT_VIEW} & scores.keys() if set(chosen) >= JOINT_PARTS else set()
            names = frozenset(chosen) | space
            there = ~np.isnan([scores[name] for name in names]).any(axis=0)
            unsure = uncertainty.get(frozenset(map(modality, chosen)))
            if unsure is not None and (there & np.isfinite(unsure)).sum() >= MIN_ROWS:
                there &= np.isfinite(unsure)
            else:
                unsure = None
            rows = np.flatnonzero(there)
            if len(rows) >= MIN_ROWS or size == 1:
                own = {name: scores[name][rows] for name in names}
                known[names] = Calibration(
                    combined(own, len(rows)),
                    categories[rows],
                    voices(groups[rows]),
                    None if unsure is None else unsure[rows].astype(np.float32),
                )
    return known


def combined(scores: Mapping[str, Floats], n: int) -> Floats:
    """Add up standardised scores of the views there are; as spread out for one view as for two."""
    stacked = np.array([scores[name] for name in sorted(scores)]).reshape(len(scores), n)
    n_there = (~np.isnan(stacked)).sum(axis=0)
    total = np.where(n_there > 0, np.nansum(stacked, axis=0), np.nan)
    return np.asarray(total / np.sqrt(np.maximum(n_there, 1)), dtype=np.float32)
