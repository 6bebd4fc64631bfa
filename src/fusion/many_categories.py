"""Experts for thousands of categories: solved for at once, where a search would take days.

Each step of a softmax regression costs ``n * d * n_categories``, and what it remembers of its steps
is several times a head. Above `MANY` categories each view has one expert of another kind instead,
which goes by the nearest mean. Dense views: by the cosine after directions in which listings of one
category differ were made to count less (Mensink et al. 2013, "Distance-Based Image Classification",
with the covariance shrunk towards a sphere: Friedman 1989, "Regularized Discriminant Analysis");
wholly shrunk, these are the `prototypes`. A category of one example has a mean as long as the
others have, so it neither wins by chance nor never. Words: by the cosine (Rocchio 1971) after words
that many categories share were made to count less (log-entropy weights: Dumais 1991, over
categories), as sparse as the words of a category are. Held-out listings say by how much each expert
leans towards categories of many examples.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csc_matrix, csr_matrix, diags, issparse
from scipy.special import entr

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
LEANINGS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""What e times as many examples may be worth to a category, in logits before the temperature."""
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
    """Give each category the mean of its words, each as telling as it is; not yet calibrated.

    Parameters
    ----------
    features
        Shape ``(n, d)``, sparse rows of one length.
    labels
        As for `fit_whitened_prototypes`.
    """
    counts = np.bincount(labels, minlength=n_categories)
    sums = csr_matrix(members(labels, n_categories) @ features)
    means = csr_matrix(diags((1 / np.maximum(counts, 1)).astype(np.float32)) @ sums)
    telling = diags(word_weights(means))
    weighed = csr_matrix(means @ telling)
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    scale = np.where(lengths > 0, SCALE / np.where(lengths > 0, lengths, 1), 0)
    # by columns: a listing's few words are looked up without passing by all others
    coefficients = csc_matrix(diags(scale.astype(np.float32)) @ weighed @ telling)
    return LinearHead(coefficients, np.where(counts > 0, 0, UNSEEN).astype(np.float32))


def word_weights(means: csr_matrix) -> Floats:
    """Tell how much each word says of the category: 0 (all share it alike) to 1 (one has it).

    The entropy that it takes away from a category drawn blindly, as a share of it.

    Parameters
    ----------
    means
        Shape ``(n_categories, d)``, 0 or more: how much of each word a category's listings have.

    Returns
    -------
    Floats
        Shape ``(d,)``.
    """
    shares = csr_matrix(means, copy=True)
    shares.data /= np.maximum(np.asarray(means.sum(axis=0)).ravel(), TINY)[shares.indices]
    shares.data = entr(shares.data)
    n_known = int((np.diff(means.indptr) > 0).sum())
    most = np.log(max(n_known, 2))
    taken = 1 - np.asarray(shares.sum(axis=0)).ravel() / most
    return np.asarray(np.clip(taken, 0, 1), dtype=np.float32)


def leaning(head: LinearHead, labels: Ints, strength: float) -> LinearHead:
    """Let a head lean towards categories of many examples; see `LEANINGS`."""
    counts = np.bincount(labels, minlength=len(head.intercepts))
    more = (strength * np.log1p(counts)).astype(np.float32)
    return replace(head, intercepts=head.intercepts + more)


class Solve(Protocol):
    """Listings in, a head a shrinkage out."""

    def __call__(
        self, features: Any, labels: Ints, shrinkages: Sequence[float]
    ) -> list[LinearHead]: ...


def calibrated_solution(
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    names: Floats | None = None,
    asked: Bools | None = None,
) -> tuple[LinearHead, Floats]:
    """Fit the expert of a view for many categories; parameters and result as of `calibrated`."""

    def of_words(
        features: csr_matrix, labels: Ints, shrinkages: Sequence[float]
    ) -> list[LinearHead]:
        return [fit_word_means(features, labels, n_categories) for _ in shrinkages]

    def whitened(features: Floats, labels: Ints, shrinkages: Sequence[float]) -> list[LinearHead]:
        return fit_whitened_prototypes(features, labels, n_categories, shrinkages, names)

    solve: Solve = of_words if issparse(view.features) else whitened
    shrinkages = (1.0,) if issparse(view.features) else SHRINKAGES
    chosen = choose(solve, shrinkages, view, labels, n_categories, folds, asked)

    def fit(features: Any, labels: Ints) -> LinearHead:
        (head,) = solve(features, labels, [chosen.shrinkage])
        return leaning(head, labels, chosen.leaning)

    return calibrated(fit, view, labels, n_categories, folds, asked)


class Chosen(NamedTuple):
    """What held-out listings say of a view's expert; see `SHRINKAGES` and `LEANINGS`."""

    shrinkage: float
    leaning: float


def choose(
    solve: Solve,
    shrinkages: Sequence[float],
    view: View,
    labels: Ints,
    n_categories: int,
    folds: Ints,
    asked: Bools | None = None,
) -> Chosen:
    """Pick what gives the lowest log loss on one round's rows, after calibration.

    First one of the shrinkages, then how far its head leans: the one hardly moves the other. The
    largest, and not at all, where no row can say.
    """
    judged = view.calibration_mask & have_sisters(labels, folds)
    for each in rounds({ALONE: view}, folds, asked):
        rows = np.flatnonzero(each.predict_mask & judged)
        rows = rows[enough_rows(len(rows), n_categories)]
        if len(rows):
            break
    else:
        return Chosen(shrinkages[-1], LEANINGS[0])
    features, own = each.views[ALONE].features, each.train_mask
    (heads,) = in_parallel(lambda known: solve(features[known], labels[known], shrinkages), [own])
    asked_rows, truth = features[rows], labels[rows]

    def loss(head: LinearHead) -> float:
        logits = head.logits(asked_rows)
        return log_loss(tempered(logits, fit_temperature(logits, truth)), truth)

    losses = [loss(head) for head in heads] if len(heads) > 1 else [0.0]
    best = int(np.argmin(losses))
    led = [loss(leaning(heads[best], labels[own], strength)) for strength in LEANINGS]
    return Chosen(shrinkages[best], LEANINGS[int(np.argmin(led))])
