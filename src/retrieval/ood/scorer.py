"""One view's out-of-catalogue score: several detectors, standardised and added up.

Each detector is blind to something, and on categories left out the plain sum was as good as weights
learned on other left-out categories, so there are no weights to learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.arrays import Floats, Ints, evenly_spaced
from ...core.parallel import in_parallel
from ...fusion.views import ALONE, Round, View, rounds
from .detectors import MAX_LISTINGS, Detector, fit_detector, ood_score
from .logit_detectors import Exposure


@dataclass(frozen=True)
class OODScorer:
    """Detectors and the usual size of their scores.

    Parameters
    ----------
    detectors
        Method -> detector, fitted on every listing.
    location, spread
        Method -> mean and standard deviation of its out-of-fold scores.
    total_spread
        Standard deviation of the sum, so that every view weighs the same in the end.
    """

    detectors: Mapping[str, Detector]
    location: Mapping[str, float]
    spread: Mapping[str, float]
    total_spread: float

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, in standard deviations of the catalogue's own; larger = stranger."""
        raw = {method: ood_score(fitted, features) for method, fitted in self.detectors.items()}
        return self.combine(raw)

    def combine(self, raw: Mapping[str, Floats]) -> Floats:
        """Standardise and add up the detectors' scores."""
        total = sum(
            (raw[method].astype(np.float64) - self.location[method]) / self.spread[method]
            for method in self.detectors
        )
        return np.asarray(total / self.total_spread, dtype=np.float32)


def fit_view_scorer(
    view: View,
    labels: Ints,
    folds: Ints,
    methods: Sequence[str],
    outside: View | None = None,
) -> tuple[OODScorer, Floats]:
    """Fit detectors on every listing, and score each listing by detectors that haven't seen it.

    Parameters
    ----------
    view
        Dense, and every one of the n rows is there. Those that calibrate tell what is usual; if
        none does, all do.
    labels, folds
        Shape ``(n,)``; duplicates share a fold.
    methods
        Names from `ood.METHODS`.
    outside
        Things the catalogue doesn't sell. They add a detector that knows them; they never calibrate
        anything.

    Returns
    -------
    OODScorer, Floats
        Fitted on every row; and out-of-fold scores, shape ``(n,)``, standardised.
    """
    if not view.calibration_mask.any():
        view = View(view.features, view.present)

    def detectors(rows: Ints, own: View, strangers: View | None) -> dict[str, Detector]:
        kept = rows[evenly_spaced(len(rows), MAX_LISTINGS)]  # no more is copied than is learned
        features = own.array[kept]
        fitted = {m: fit_detector(m, features, labels[kept]) for m in methods}
        if strangers is not None:
            fitted[Exposure.method] = Exposure.fit(own.array[rows], strangers.array)
        return fitted

    def score_held_out(each: Round) -> dict[str, Floats]:
        own, strangers = each.views[ALONE], outside
        if outside is not None and each.fold_encoder is not None:
            strangers = outside.fold_encoders[each.fold_encoder]
        known = detectors(np.flatnonzero(each.train_mask), own, strangers)
        asked = own.array[each.predict_mask]
        return {method: ood_score(fitted, asked) for method, fitted in known.items()}

    (final,) = in_parallel(lambda rows: detectors(rows, view, outside), [np.arange(len(labels))])
    held_out_scores = {method: np.full(len(labels), np.nan, dtype=np.float32) for method in final}
    held_out = list(rounds({ALONE: view}, folds))
    for each, scores in zip(held_out, in_parallel(score_held_out, held_out), strict=True):
        for method, own_scores in scores.items():
            held_out_scores[method][each.predict_mask] = own_scores
    usual = view.calibration_mask
    location = {m: float(s[usual].mean(dtype=np.float64)) for m, s in held_out_scores.items()}
    spread = {m: _spread(s[usual]) for m, s in held_out_scores.items()}
    unscaled = OODScorer(final, location, spread, 1.0)
    scorer = OODScorer(final, location, spread, _spread(unscaled.combine(held_out_scores)[usual]))
    return scorer, scorer.combine(held_out_scores)


def _spread(scores: Floats) -> float:
    """Standard deviation; 1 where all scores are the same and there is nothing to scale by."""
    return float(scores.std(dtype=np.float64)) or 1.0
