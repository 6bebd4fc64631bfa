"""How well the gate tells the catalogue's listings from outside photos."""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from ..arrays import Floats
from ..fusion.views import PHOTO, Views, n_rows, restrict
from ..retrieval.gate import OutOfCatalogueGate
from ..retrieval.memory import dense


def measure_ood(gate: OutOfCatalogueGate, inside: Views, outside: Views) -> dict[str, float | int]:
    """Measure the gate.

    Parameters
    ----------
    inside
        Views of the catalogue's own listings, unseen in training.
    outside
        Views of things that it doesn't sell; those without a usable photo are left out.

    Returns
    -------
    dict
        ``auroc`` (1 = perfect) and ``fpr95`` (share of the own listings that are as strange as
        the cut-off which catches 95 % of the outside photos), both on photos alone, because the
        outside has no titles; ``refused_inside`` and ``refused_outside`` at the gate's own
        cut-off, on all that each listing has; ``alpha``, ``n_inside``, ``n_outside``.
    """
    own = _scores(gate, restrict(inside, {PHOTO}))
    strange = _scores(gate, restrict(outside, {PHOTO}))
    scores = np.concatenate([own, strange])
    is_outside = np.concatenate([np.zeros(len(own)), np.ones(len(strange))])
    possible = len(own) > 0 and len(strange) > 0
    return {
        **({"auroc": float(roc_auc_score(is_outside, scores))} if possible else {}),
        **({"fpr95": fpr_at(is_outside, scores, 0.95)} if possible else {}),
        "refused_inside": _refused(gate, inside),
        "refused_outside": _refused(gate, outside),
        "alpha": gate.alpha,
        "n_inside": n_rows(inside),
        "n_outside": len(strange),
    }


def fpr_at(is_outside: Floats, ood_scores: Floats, caught: float) -> float:
    """Share of insiders at least as strange as the cut-off that catches this share of outsiders."""
    false_positive, true_positive, _ = roc_curve(is_outside, ood_scores)
    return float(false_positive[np.argmax(true_positive >= caught)])


def _scores(gate: OutOfCatalogueGate, views: Views) -> Floats:
    scores = gate.ood_scores(dense(views))
    return scores[np.isfinite(scores)]


def _refused(gate: OutOfCatalogueGate, views: Views) -> float:
    p_values = gate.p_values(dense(views))
    known = np.isfinite(p_values)
    return float((p_values[known] <= gate.alpha).mean()) if known.any() else 0.0
