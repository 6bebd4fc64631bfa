"""Experts for thousands of categories: solved for at once, where a search would take days.

Each step of a softmax regression costs ``n * d * n_categories``, and what it remembers of its steps
is several times a head. Above `MANY` categories each view has one expert of another kind instead,
which goes by the nearest mean. Dense views: by the cosine after directions in which listings of one
category differ were made to count less (Mensink et al. 2013, "Distance-Based Image Classification",
with the covariance shrunk towards a sphere: Friedman 1989, "Regularized Discriminant Analysis");
wholly shrunk, these are the `prototypes`. A category of one example has a mean as long as the
others have, so it neither wins by chance nor never. Words: by the cosine as it is (Rocchio 1971),
as sparse as the words of a category are.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csc_matrix, csr_matrix, diags, issparse

from ..core.arrays import Bools, Floats, Ints, unit_rows
from ..core.parallel import in_parallel
from .calibration import enough_rows, fit_temperature, log_loss
from .heads import LinearHead, tempered
from .prototypes import NAME_COUNTS, SCALE, UNSEEN, calibrated, members
from .views import ALONE, View, have_sisters, rounds

MANY = 1_000
"""Up to so many categories a softmax regression is worth its time."""
SHRINKAGES = (0.05, 0.2, 0.5, 0.9)
"""Shares of the covariance that a sphere may take."""
BLOCK_ROWS = 8_192
TINY = 1e-9
"""Less variance than this, of unit vectors, is rounding."""


def fit_whitened_prototypes(
    features: Floats,
    labels: Ints,
    n_categories: int,
    shrinkages: Sequence[float],
    names: Floats | None = None,
) -> list[LinearHead]:
    """Place each category's prototype in whitened space, not yet calibrated; a head a shrinkage.

    Parameters
    ----------
    features
        Shape ``(n, d)``, unit vectors.
    labels
        Shape ``(n,)``, 0 to ``n_categories - 1``; not every category needs to be there.
    shrinkages
        Above 0, up to 1.
    names
        Shape ``(n_categories, d)``, each one more example of its category; see `fit_prototypes`.
    """
    counts = np.bincount(labels, minlength=n_categories).astype(np.float32)
    sums = np.asarray(members(labels, n_categories) @ features)
    variances, axes = eigh(_within(features, labels, sums, counts), check_finite=False)
    usual, axes = float(variances.mean()), axes.astype(np.float32)
    # no category has two examples: nothing is known of how they differ
    relative = np.maximum(variances, 0) / usual if usual > TINY else np.ones_like(variances)
    centre = features.mean(axis=0)
    sums -= np.outer(counts, centre)
    if names is not None:
        sums += NAME_COUNTS * (names - names.mean(axis=0))
        counts += NAME_COUNTS
    along, heads = sums @ axes, []
    for shrinkage in shrinkages:
        scale = ((1 - shrinkage) * relative + shrinkage) ** -0.5
        white = unit_rows(along * scale) * scale.astype(np.float32)
        coefficients = SCALE * (white @ axes.T)
        intercepts = np.where(counts > 0, -coefficients @ centre, UNSEEN).astype(np.float32)
        heads.append(LinearHead(coefficients, intercepts))
    return heads


def _within(features: Floats, labels: Ints, sums: Floats, counts: Floats) -> Floats:
    """Covariance of listings around their category's mean; shape ``(d, d)``, float64."""
    n, d = features.shape
    means, total = sums / np.maximum(counts, 1)[:, None], np.zeros((d, d))
    for start in range(0, n, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        deviations = features[block] - means[labels[block]]
        total += deviations.T @ deviations
    return np.asarray(total / max(n - int((counts > 0).sum()), 1))


def fit_word_means(features: csr_matrix, labels: Ints, n_categories: int) -> LinearHead:
    """Give each category the mean of its words, not yet calibrated.

    Parameters
    ----------
    features
        Shape ``(n, d)``, sparse rows of one length.
    labels
        As for `fit_whitened_prototypes`.
    """
    sums = csr_matrix(members(labels, n_categories) @ features)
    lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1)).ravel())
    scale = np.where(lengths > 0, SCALE / np.where(lengths > 0, lengths, 1), 0)
    # by columns: a listing's few words are looked up without passing by all others
    coefficients = csc_matrix(diags(scale.astype(np.float32)) @ sums)
    known = np.bincount(labels, minlength=n_categories) > 0
    return LinearHead(coefficients, np.where(known, 0, UNSEEN).astype(np.float32))


def calibrated_solution(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    names: Floats | None = None,
    asked: Bools | None = None,
) -> tuple[LinearHead, Floats]:
    """Fit the expert of a view for many categories; parameters and result as of `calibrated`."""

    def of_words(features: csr_matrix, labels: Ints) -> LinearHead:
        return fit_word_means(features, labels, n_categories)

    if issparse(view.features):
        return calibrated(of_words, view, labels, n_categories, folds, asked)
    shrinkage = choose_shrinkage(view, labels, n_categories, folds, names, asked)

    def whitened(features: Floats, labels: Ints) -> LinearHead:
        return fit_whitened_prototypes(features, labels, n_categories, [shrinkage], names)[0]

    return calibrated(whitened, view, labels, n_categories, folds, asked)


def choose_shrinkage(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    names: Floats | None = None,
    asked: Bools | None = None,
) -> float:
    """Pick the shrinkage with the lowest log loss on one round's rows, after calibration.

    One of `SHRINKAGES`, the largest where no row can say.
    """
    judged = view.calibration_mask & have_sisters(labels, folds)
    for each in rounds({ALONE: view}, folds, asked):
        rows = np.flatnonzero(each.predict_mask & judged)
        rows = rows[enough_rows(len(rows), n_categories)]
        if len(rows):
            break
    else:
        return SHRINKAGES[-1]
    features = each.views[ALONE].array
    (heads,) = in_parallel(
        lambda own: fit_whitened_prototypes(
            features[own], labels[own], n_categories, SHRINKAGES, names
        ),
        [each.train_mask],
    )
    losses = []
    for head in heads:
        logits = head.logits(features[rows])
        answers = tempered(logits, fit_temperature(logits, labels[rows]))
        losses.append(log_loss(answers, labels[rows]))
    return SHRINKAGES[int(np.argmin(losses))]
