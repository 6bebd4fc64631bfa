"""Fitting the out-of-catalogue detector: which scores, standardised how, calibrated on what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from ...core.arrays import Floats, Ints
from ...core.errors import CalibrationError
from ...fusion.views import PHOTO, Modalities, View, Views, modality, take
from .calibration import MIN_ROWS, calibrations
from .detector import OODDetector
from .photo_title_view import JOINT_VIEW, with_joint_view
from .scorer import OODScorer, fit_view_scorer

PHOTO_METHODS = ("vim", "knn", "mahalanobis")
TEXT_METHODS = ("vim", "whitened_knn")
JOINT_METHODS = ("whitened_knn",)
"""Chosen by measurement on left-out categories and outside photos; see docs/ood.md."""
STATISTICS_ONLY: Mapping[str, Sequence[str]] = {
    PHOTO: ("vim",),
    "title_embedding": ("vim",),
    "description_embedding": ("vim",),
    JOINT_VIEW: (),
}
"""Detectors without an embedding of any single listing: for bundles that are passed on."""
NOTHING: Mapping[Modalities, Floats] = MappingProxyType({})
MIN_OUTSIDE = 10
"""Fewer outside examples than this say more about themselves than about the outside."""


def fit_ood_detector(
    views: Views,
    labels: Ints,
    folds: Ints,
    alpha: float = 0.05,
    outside: Views | None = None,
    *,
    groups: Ints | None = None,
    uncertainty: Mapping[Modalities, Floats] = NOTHING,
    per_category: bool = False,
    predicted: Ints | None = None,
    exact: bool = False,
    methods: Mapping[str, Sequence[str]] | None = None,
) -> OODDetector:
    """Learn what the catalogue looks like, and how strange its own listings look to it.

    By default every listing both fits the detectors and, by detectors fitted without its fold,
    calibrates them (as in cross-conformal prediction). That gives no listing away, but the promise
    is then approximate: it holds exactly if a listing looks no stranger to detectors fitted on all
    listings than to those that missed a fold, which is the ordinary case, because the full ones
    know more. With `exact`, the first fold only calibrates, and a new listing from the same source
    is refused with probability at most `alpha`, without further assumptions.

    Parameters
    ----------
    views
        Of n listings. Dense views are used, sparse ones (TF-IDF) aren't.
    labels
        Shape ``(n,)``; the finest categories with enough listings serve best.
    folds
        Shape ``(n,)``; duplicates share a fold.
    alpha
        Share of the catalogue's own listings that may be refused, above 0 and below 1.
    outside
        Views of things that the catalogue doesn't sell: seeds of a "trash" class. They sharpen the
        score and never enter the calibration, so the promise stays. Give titles only if sellers
        could have written them: from file names, the detector learns to refuse short titles.
    groups
        Shape ``(n,)``; listings of one group are alike, and have one voice in the calibration.
        None: each is a group of its own.
    uncertainty
        Modalities -> shape ``(n,)``, how unsure (entropy, in nats) a classifier that hadn't seen a
        listing was of it by these modalities; NaN where there is no such answer. It counts as one
        more view.
    per_category
        Keep the promise for each predicted category by itself, where it has enough listings.
    predicted
        Shape ``(n,)``, what each listing was taken for by a model that hadn't seen it; for
        `per_category`. The labels stand in.
    methods
        View name -> names from `ood.METHODS`, to replace the default; none leaves the view out.

    Raises
    ------
    CalibrationError
        If no dense view has enough listings in two folds.
    ValueError
        If alpha isn't a share.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must be above 0 and below 1, got {alpha}.")
    categories = labels if predicted is None else predicted
    groups = np.arange(len(labels)) if groups is None else groups
    calibrating = folds == folds.min() if exact and len(folds) else np.ones(len(folds), dtype=bool)
    fitting = ~calibrating if exact else calibrating
    if exact:  # what an encoder has learned can't be told apart by fold encoders here
        views = {name: replace(view, fold_encoders=()) for name, view in views.items()}
    views = with_joint_view(views)
    outside = with_joint_view(outside or {})
    own = views if fitting.all() else take(views, fitting)
    own_labels, own_folds = labels[fitting], folds[fitting]
    scorers: dict[str, OODScorer] = {}
    scores: dict[str, Floats] = {}
    for name, view in own.items():
        there, chosen = view.present, (methods or {}).get(name, default_methods(name))
        if not chosen or not isinstance(view.features, np.ndarray) or there.sum() < MIN_ROWS:
            continue
        if len(np.unique(own_folds[there])) < 2:
            continue
        scorers[name], held_out = fit_view_scorer(
            view if there.all() else view.take(there),
            own_labels[there],
            own_folds[there],
            chosen,
            _outside_view(outside, name),
        )
        scores[name] = np.full(len(there), np.nan, dtype=np.float32)
        scores[name][there] = held_out
    if not scorers:
        raise CalibrationError(
            "The out-of-catalogue detector needs a photo, title or description embedding of at "
            f"least {MIN_ROWS} listings in 2 folds, but no view has them among {len(own_labels)}. "
            "Add listings."
        )
    ood_detector = OODDetector(scorers, {}, float(alpha), per_category)
    if exact:
        scores = ood_detector.view_scores(take(views, calibrating))
    scores = {
        name: np.where(views[name].calibration_mask[calibrating], own_scores, np.nan)
        for name, own_scores in scores.items()
    }
    unsure = {pattern: values[calibrating] for pattern, values in uncertainty.items()}
    known = calibrations(scores, categories[calibrating], groups[calibrating], unsure)
    return OODDetector(scorers, known, float(alpha), per_category)


def default_methods(view: str) -> tuple[str, ...]:
    """Name the detectors that a view has unless told otherwise."""
    if view == JOINT_VIEW:
        return JOINT_METHODS
    return PHOTO_METHODS if modality(view) == PHOTO else TEXT_METHODS


def _outside_view(outside: Views, name: str) -> View | None:
    """Pick the outside examples that have this view, if they are enough."""
    if name not in outside or outside[name].present.sum() < MIN_OUTSIDE:
        return None
    return outside[name].take(outside[name].present)
