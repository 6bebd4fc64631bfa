"""Prototypes: a category is where the mean of its examples lies, its name being one more of them.

One example is enough, where a head needs a handful: nothing is fitted but a temperature. Listings
are compared with the means by cosine, after the mean of all has been taken away (nearest class
mean: Mensink et al. 2013, "Distance-Based Image Classification"; prototypes: Snell et al. 2017,
"Prototypical Networks for Few-shot Learning"). That is linear, so what comes out is a head.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from ..core.arrays import Bools, Floats, Ints, unit_rows
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

Fit: TypeAlias = Callable[[Any, Ints], LinearHead]
"""Features ``(n, d)`` and labels ``(n,)`` in, a head out that isn't calibrated yet."""


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
    weights = weights.astype(np.float32)
    centre = weights @ features / weights.sum()
    counts = np.bincount(labels, weights, minlength=n_categories).astype(np.float32)
    sums = np.asarray(members(labels, n_categories, weights) @ features) - np.outer(counts, centre)
    known = counts > 0
    if names is not None:
        sums += NAME_COUNTS * (names - names.mean(axis=0))
        known = np.ones_like(known)
    coefficients = SCALE * unit_rows(sums)
    intercepts = np.where(known, -coefficients @ centre, UNSEEN)
    return LinearHead(coefficients, np.asarray(intercepts, dtype=np.float32))


def members(labels: Ints, n_categories: int, weights: Floats | None = None) -> csr_matrix:
    """Tell whose category each listing is: shape ``(n_categories, n)``; times rows, their sums.

    `weights`, shape ``(n,)``, float32, is what each listing counts; None: 1.
    """
    own = np.ones(len(labels), dtype=np.float32) if weights is None else weights
    shape = (n_categories, len(labels))
    return csr_matrix((own, (labels, np.arange(len(labels)))), shape=shape)


def calibrated_prototypes(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    names: Floats | None = None,
    asked: Bools | None = None,
) -> tuple[LinearHead, Floats]:
    """Place prototypes by all rows; `view` is dense, and the rest as for `calibrated`."""

    def fit(features: Floats, labels: Ints) -> LinearHead:
        return fit_prototypes(features, labels, n_categories, names)

    return calibrated(fit, view, labels, n_categories, folds, asked)


def calibrated(
    fit: Fit,
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    asked: Bools | None = None,
) -> tuple[LinearHead, Floats]:
    """Fit a head on all rows, calibrated on answers to rows by heads that hadn't seen them.

    Parameters
    ----------
    fit
        Solves for a head at once, nothing being chosen on held-out rows.
    view
        Every row is there. Where none calibrates, all do. Where no category has two examples, none
        can be answered by who has seen the other only, and the temperature stays 1.
    asked
        Shape ``(n,)``, the rows whose answers are wanted; None: all.

    Returns
    -------
    LinearHead
        Of every row.
    Floats
        Held-out log-probabilities, shape ``(n_asked, n_categories)``.
    """
    asked = np.ones(len(labels), dtype=bool) if asked is None else asked
    if not (view.calibration_mask & asked).any():
        view = View(view.features, view.present)
    logits = np.zeros((int(asked.sum()), n_categories), dtype=np.float32)

    def answer(each: Round) -> None:
        seen, known = each.views[ALONE].features, each.train_mask
        head = fit(seen[known], labels[known])
        logits[each.predict_mask[asked]] = head.logits(seen[each.predict_mask])

    in_parallel(answer, rounds({ALONE: view}, folds, asked))
    judged = view.calibration_mask & asked & have_sisters(labels, folds)
    temperature = fit_temperature(logits[judged[asked]], labels[judged]) if judged.any() else 1.0
    (head,) = in_parallel(lambda rows: fit(rows, labels), [view.features])
    return replace(head, temperature=temperature), tempered(logits, temperature)
