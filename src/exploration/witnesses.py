"""Who speaks about a listing's category: photo, title, description, and its nearest neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..fusion.held_out import HeldOut
from ..fusion.views import Modalities

NEIGHBOURS = "neighbours"
N_NEIGHBOURS = 10
_AT_ONCE = 1024


@dataclass(frozen=True)
class Witness:
    """What one kind of evidence says of n listings, without knowing their own labels.

    Parameters
    ----------
    log_probabilities
        Shape ``(n, n_categories)``; 0 where it says nothing.
    heard
        Shape ``(n,)``; False where it says nothing.
    """

    log_probabilities: Floats
    heard: Bools

    @property
    def answers(self) -> Ints:
        """The likeliest category of each, -1 where it says nothing; shape ``(n,)``."""
        return np.where(self.heard, self.log_probabilities.argmax(axis=1), -1)


def modality_witnesses(
    held_out: Mapping[Modalities, HeldOut], n: int, n_categories: int
) -> dict[str, Witness]:
    """Take the answers by photo, title and description alone out of a classifier's held-out ones.

    Parameters
    ----------
    held_out
        As `fit_classifier` gives it, about n listings.
    """
    witnesses = {}
    for pattern, answered in held_out.items():
        if len(pattern) == 1:
            [name] = pattern
            said, heard = np.zeros((n, n_categories)), np.zeros(n, dtype=bool)
            said[answered.rows], heard[answered.rows] = answered.log_probabilities, True
            witnesses[name] = Witness(said, heard)
    return dict(sorted(witnesses.items()))


def fused_probabilities(
    held_out: Mapping[Modalities, HeldOut], labels: Ints, n_categories: int
) -> Floats:
    """Give each listing's held-out answer by the most that it has; shape ``(n, n_categories)``.

    A listing that nothing answered gets the categories' shares.
    """
    counts = np.bincount(labels, minlength=n_categories) + 1.0
    said = np.tile(counts / counts.sum(), (len(labels), 1))
    for _, answered in sorted(held_out.items(), key=lambda item: len(item[0])):
        said[answered.rows] = np.exp(answered.log_probabilities)
    return np.asarray(said / said.sum(axis=1, keepdims=True))


def neighbour_votes(
    vectors: Floats,
    present: Bools,
    labels: Ints,
    groups: Ints,
    n_categories: int,
    *,
    n_neighbours: int = N_NEIGHBOURS,
) -> Floats:
    """Count the labels of the nearest listings of other groups.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, of unit length.
    present
        Shape ``(n,)``: whose vector means something; others neither vote nor are voted on.
    groups
        Shape ``(n,)``; a listing's own group (its duplicates, its seller) has no vote.

    Returns
    -------
    Floats
        Shape ``(n, n_categories)``, each vote weighted by its cosine; 0 where nobody votes.
    """
    votes = np.zeros((len(labels), n_categories))
    k = min(n_neighbours, len(labels))
    for start in range(0, len(labels), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        similarity = vectors[rows] @ vectors.T
        similarity[:, ~present] = 0.0
        similarity[groups[rows, None] == groups[None]] = 0.0
        similarity[~present[rows]] = 0.0
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        weights = np.clip(np.take_along_axis(similarity, nearest, axis=1), 0.0, None)
        own = np.repeat(np.arange(len(nearest)), k)
        np.add.at(votes[rows], (own, labels[nearest].ravel()), weights.ravel())
    return votes


def neighbour_witness(votes: Floats) -> Witness:
    """Turn votes into shares; one whom nobody voted on isn't heard."""
    heard = votes.sum(axis=1) > 0
    n_categories = votes.shape[1]
    shares = (votes + 1 / n_categories) / (votes.sum(axis=1, keepdims=True) + 1)
    return Witness(np.where(heard[:, None], np.log(shares), 0.0), heard)
