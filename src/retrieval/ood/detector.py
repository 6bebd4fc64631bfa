"""The out-of-catalogue detector: a listing's views in, a p-value out.

A small p-value says: hardly any of the catalogue's own listings is as strange as this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.arrays import Bools, Floats, Ints
from ...fusion.views import Modalities, Views, n_rows
from .calibration import Calibration, Names, calibrations, combined
from .conformal import p_values, p_values_by_category
from .detectors import from_arrays, to_arrays
from .photo_title_view import JOINT_VIEW, with_joint_view
from .scorer import OODScorer


@dataclass(frozen=True)
class OODDetector:
    """Refuses what is stranger than nearly all of the catalogue's own listings.

    Made by `ood.fit.fit_ood_detector`.

    Parameters
    ----------
    scorers
        View name -> scorer.
    calibration
        Names of the views that are there -> calibration scores, for every set with enough listings.
    alpha
        Share of the catalogue's own listings that may be refused.
    per_category
        Whether the promise is kept for each category by itself.
    """

    scorers: Mapping[str, OODScorer]
    calibration: Mapping[Names, Calibration]
    alpha: float
    per_category: bool

    @property
    def n_calibration(self) -> float:
        """Count the listings, or their groups, that p-values are ranks among, at most."""
        return max((known.n_voices for known in self.calibration.values()), default=0.0)

    def recalibrated(
        self,
        views: Views,
        predicted: Ints,
        groups: Ints,
        uncertainty: Mapping[Modalities, Floats],
    ) -> "OODDetector":
        """Compare from now on with these listings, which training hasn't seen.

        Parameters
        ----------
        views
            Of n listings.
        predicted, groups, uncertainty
            As for `fit_ood_detector`.
        """
        scores = {name: s for name, s in self.view_scores(views).items() if np.isfinite(s).any()}
        known = calibrations(scores, predicted, groups, uncertainty)
        return replace(self, calibration={**self.calibration, **known})

    def ood_scores(self, views: Views) -> Floats:
        """Shape ``(n,)``, larger = stranger; NaN for a listing with no view that training had."""
        return combined(self.view_scores(views), n_rows(views))

    def p_values(
        self, views: Views, predicted: Ints | None = None, uncertainty: Floats | None = None
    ) -> Floats:
        """Tell how ordinary each listing is.

        A listing with a set of views that too few calibration listings had is judged by each view
        alone, and the smallest p-value counts, times the number of views (Bonferroni).

        Parameters
        ----------
        predicted
            Shape ``(n,)``, the category each listing is taken for; used if `per_category`.
        uncertainty
            Shape ``(n,)``, how unsure the classifier is of that, in nats (entropy); None judges by
            the views alone.

        Returns
        -------
        Floats
            Shape ``(n,)``, above 0 and up to 1. 1 for a listing with no view at all.
        """
        if self.per_category and predicted is None:
            raise ValueError(
                "A detector fitted with per_category needs each listing's predicted category, "
                "got none."
            )
        scores, n = self.view_scores(views), n_rows(views)
        p: Floats = np.ones(n)
        for names, rows in _rows_by_names(scores, n).items():
            own = {name: scores[name][rows] for name in names}
            categories = predicted[rows] if predicted is not None else None
            if names in self.calibration:
                unsure = uncertainty[rows] if uncertainty is not None else None
                p[rows] = self._p_values(names, own, categories, unsure)
            else:
                alone = [
                    self._p_values(frozenset({name}), {name: own[name]}, categories)
                    for name in sorted(names - {JOINT_VIEW})
                ]
                p[rows] = np.minimum(1.0, len(alone) * np.min(alone, axis=0))
        return p

    def refuses(
        self, views: Views, predicted: Ints | None = None, uncertainty: Floats | None = None
    ) -> Bools:
        """Tell which listings don't belong: p-value at most `alpha`; shape ``(n,)``."""
        return np.asarray(self.p_values(views, predicted, uncertainty) <= self.alpha)

    def view_scores(self, views: Views) -> dict[str, Floats]:
        """Score each view by itself: name -> shape ``(n,)``, NaN where the view is missing."""
        scores = {}
        if JOINT_VIEW in self.scorers:
            views = with_joint_view(views)
        for name, scorer in self.scorers.items():
            if name in views:
                there = np.flatnonzero(views[name].present)
                scores[name] = np.full(n_rows(views), np.nan, dtype=np.float32)
                if len(there):
                    scores[name][there] = scorer.ood_score(dense_features(views, name)[there])
        return scores

    def _p_values(
        self,
        names: Names,
        scores: Mapping[str, Floats],
        categories: Ints | None,
        uncertainty: Floats | None = None,
    ) -> Floats:
        known = self.calibration[names]
        together = combined(scores, len(next(iter(scores.values()))))
        own, together = known.comparable(len(names), together, uncertainty)
        if not self.per_category or categories is None:
            return p_values(own, together, known.weights)
        # with fewer listings than this, a category could never refuse anything
        enough = int(np.ceil(1.0 / self.alpha)) - 1
        return p_values_by_category(
            own,
            known.categories,
            together,
            categories,
            max(enough, 1),
            known.weights,
        )

    def to_parts(self) -> tuple[dict[str, Floats | Ints], dict[str, Any]]:
        """Split into arrays and JSON settings; `from_parts` puts them together again."""
        arrays: dict[str, Floats | Ints] = {}
        for name, scorer in self.scorers.items():
            for method, detector in scorer.detectors.items():
                for field, array in to_arrays(detector).items():
                    arrays[f"{name}/{method}/{field}"] = array
        for number, known in enumerate(self.calibration.values()):
            arrays[f"calibration/{number}/ood_scores"] = known.ood_scores
            arrays[f"calibration/{number}/categories"] = known.categories
            for field in ("weights", "uncertainty"):
                if (array := getattr(known, field)) is not None:
                    arrays[f"calibration/{number}/{field}"] = array
        settings = {
            "alpha": self.alpha,
            "per_category": self.per_category,
            "calibration": [sorted(names) for names in self.calibration],
            "views": {
                name: {
                    "location": dict(scorer.location),
                    "spread": dict(scorer.spread),
                    "total_spread": scorer.total_spread,
                }
                for name, scorer in self.scorers.items()
            },
        }
        return arrays, settings

    @classmethod
    def from_parts(cls, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> "OODDetector":
        """Rebuild from what `to_parts` gave."""

        def below(prefix: str) -> dict[str, Any]:
            return {
                k.removeprefix(prefix): array for k, array in arrays.items() if k.startswith(prefix)
            }

        scorers = {
            name: OODScorer(
                {m: from_arrays(m, below(f"{name}/{m}/")) for m in kept["location"]}, **kept
            )
            for name, kept in settings["views"].items()
        }
        calibration = {
            frozenset(names): Calibration(**below(f"calibration/{number}/"))
            for number, names in enumerate(settings["calibration"])
        }
        return cls(scorers, calibration, settings["alpha"], settings["per_category"])


def _rows_by_names(scores: Mapping[str, Floats], n: int) -> dict[Names, Ints]:
    """Gather the rows that have the same views; rows with none are left out."""
    names = sorted(scores)
    there = np.array([~np.isnan(scores[name]) for name in names]).reshape(len(names), n)
    kinds, kind_of = np.unique(there, axis=1, return_inverse=True)
    groups = {
        frozenset(np.array(names)[kind].tolist()): np.flatnonzero(kind_of == number)
        for number, kind in enumerate(kinds.T)
    }
    return {key: rows for key, rows in groups.items() if key}


def dense_features(views: Views, name: str) -> Floats:
    """Give a view's array; training used only dense ones, so a sparse one is another view."""
    features = views[name].features
    if not isinstance(features, np.ndarray):
        raise TypeError(f"View {name!r} must be dense, as it was in training, got a sparse one.")
    return features
