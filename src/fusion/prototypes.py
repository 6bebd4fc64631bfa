"""Prototypes: a category is where the mean of its examples lies, its name being one more of them.

One example is enough, where a head needs a handful: nothing is fitted but a temperature. Listings
are compared with the means by cosine, after the mean of all has been taken away (nearest class
mean: Mensink et al. 2013, "Distance-Based Image Classification"; prototypes: Snell et al. 2017,
"Prototypical Networks for Few-shot Learning"). That is linear, so what comes out is a head.
"""

import numpy as np
from scipy.sparse import csr_matrix

from ..core.arrays import Floats, Ints, unit_rows
from ..core.parallel import in_parallel
from .calibration import fit_temperature
from .heads import LinearHead, tempered
from .views import ALONE, Round, View, have_sisters, rounds

SCALE = 10.0
"""A cosine of 1 counts so many nats, before the temperature."""
NAME_COUNTS = 1.0
"""Examples that a category's name is worth, where names and listings are vectors of one space."""
UNSEEN = -30.0
"""Intercept, in nats, of a category that has neither an example nor a name."""


def fit_prototypes(
    features: Floats,
    labels: Ints,
    n_categories: int,
    names: Floats | None = None,
    weights: Floats | None = None,
) -> LinearHead:
    """Place each category's prototype, not yet calibrated.

    Parameters
    ----------
    features
        Shape ``(n, d)``, unit vectors.
    labels
        Shape ``(n,)``, 0 to ``n_categories - 1``; not every category needs to be there.
    names
        Shape ``(n_categories, d)``, unit vectors of the categories' names in the same space; None
        if it has none.
    weights
        Shape ``(n,)``, above 0, what each listing counts; None: 1.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    weights, shape = weights.astype(np.float32), (n_categories, len(labels))
    centre = weights @ features / weights.sum()
    counts = np.bincount(labels, weights, minlength=n_categories).astype(np.float32)
    members = csr_matrix((weights, (labels, np.arange(len(labels)))), shape=shape)
    sums = np.asarray(members @ features) - np.outer(counts, centre)
    known = counts > 0
    if names is not None:
        sums += NAME_COUNTS * (names - names.mean(axis=0))
        known = np.ones_like(known)
    coefficients = SCALE * unit_rows(sums)
    intercepts = np.where(known, -coefficients @ centre, UNSEEN)
    return LinearHead(coefficients, np.asarray(intercepts, dtype=np.float32))


def calibrated_prototypes(
    view: View, labels: Ints, n_categories: int, folds: Ints, names: Floats | None = None
) -> tuple[LinearHead, Floats]:
    """Place prototypes by all rows, calibrated on answers to rows that they weren't placed by.

    Parameters
    ----------
    view
        Dense, and every row is there. Where none calibrates, all do. Where no category has two
        examples, none can be answered by the other's prototype, and the temperature stays 1.
    names
        See `fit_prototypes`.

    Returns
    -------
    LinearHead
        Of every row.
    Floats
        Held-out log-probabilities, shape ``(n, n_categories)``.
    """
    if not view.calibration_mask.any():
        view = View(view.features, view.present)
    logits = np.zeros((len(labels), n_categories), dtype=np.float32)

    def answer(each: Round) -> None:
        seen, asked = each.views[ALONE].array, each.predict_mask
        known = each.train_mask
        head = fit_prototypes(seen[known], labels[known], n_categories, names)
        logits[asked] = head.logits(seen[asked])

    in_parallel(answer, rounds({ALONE: view}, folds))
    asked = view.calibration_mask & have_sisters(labels, folds)
    temperature = fit_temperature(logits[asked], labels[asked]) if asked.any() else 1.0
    head = fit_prototypes(view.array, labels, n_categories, names)
    calibrated = LinearHead(head.coefficients, head.intercepts, temperature)
    return calibrated, tempered(logits, temperature)
