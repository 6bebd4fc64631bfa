"""How well the detector tells the catalogue's listings from outside photos."""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from ..core.arrays import Floats
from ..fusion.calibration import entropy
from ..fusion.views import PHOTO, Views, n_rows, restrict
from ..retrieval.model import dense
from ..retrieval.ood.detector import OODDetector


def measure_ood(
    ood_detector: OODDetector,
    inside: Views,
    outside: Views,
    inside_answers: Floats | None = None,
    outside_answers: Floats | None = None,
) -> dict[str, float | int]:
    """Measure the detector.

    Parameters
    ----------
    inside
        Views of the catalogue's own listings, unseen in training.
    outside
        Views of things that it doesn't sell; those without a usable photo are left out.
    inside_answers, outside_answers
        Shape ``(n, n_categories)``, the classifier's probabilities; without them the detector
        judges by the views alone.

    Returns
    -------
    dict
        ``auroc`` (1 = perfect) and ``fpr95`` (share of the own listings that are as strange as
        the cut-off which catches 95 % of the outside photos), both on photos alone, because the
        outside has no titles; ``refused_inside`` and ``refused_outside`` at the detector's own
        cut-off, on all that each listing has; ``alpha``, ``n_inside``, ``n_outside``.
    """
    own = _scores(ood_detector, restrict(inside, {PHOTO}))
    strange = _scores(ood_detector, restrict(outside, {PHOTO}))
    scores = np.concatenate([own, strange])
    is_outside = np.concatenate([np.zeros(len(own)), np.ones(len(strange))])
    possible = len(own) > 0 and len(strange) > 0
    return {
        **({"auroc": float(roc_auc_score(is_outside, scores))} if possible else {}),
        **({"fpr95": fpr_at(is_outside, scores, 0.95)} if possible else {}),
        "refused_inside": _refused(ood_detector, inside, inside_answers),
        "refused_outside": _refused(ood_detector, outside, outside_answers),
        "alpha": ood_detector.alpha,
        "n_inside": n_rows(inside),
        "n_outside": len(strange),
    }


def fpr_at(is_outside: Floats, ood_scores: Floats, caught: float) -> float:
    """Share of insiders at least as strange as the cut-off that catches this share of outsiders."""
    false_positive, true_positive, _ = roc_curve(is_outside, ood_scores, drop_intermediate=False)
    return float(false_positive[np.argmax(true_positive >= caught)])


def _scores(ood_detector: OODDetector, views: Views) -> Floats:
    scores = ood_detector.ood_scores(dense(views))
    return scores[np.isfinite(scores)]


def _refused(ood_detector: OODDetector, views: Views, answers: Floats | None) -> float:
    known = np.isfinite(ood_detector.ood_scores(dense(views)))
    said = () if answers is None else (answers.argmax(axis=1), entropy(answers))
    refused = ood_detector.refuses(dense(views), *said)[known]
    return float(refused.mean()) if len(refused) else 0.0
