"""Clusters, how well they agree with the categories, and names for them from their words."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_score

from ...core.arrays import Floats, Ints, evenly_spaced
from ...fusion.views import Features
from ..features.bag_of_words import word_counts
from ..features.words import Cleaning

MAX_JUDGED = 4_000
"""Rows that a silhouette, whose cost is their square, is measured on; evenly spaced."""
CANDIDATES = (4, 6, 8, 11, 15, 20, 27)
"""Numbers of clusters that are tried where no categories say how many to look for."""
NOISE = -1


@dataclass(frozen=True)
class Agreement:
    """How clusters and categories agree: 1 is the same, `ari` and `ami` are 0 by chance.

    `purity` is the share of listings in the category that prevails in their cluster; more clusters
    raise it.
    """

    ari: float
    ami: float
    purity: float


def agreement(clusters: Ints, labels: Ints) -> Agreement:
    """Compare; shapes ``(n,)``. What HDBSCAN calls noise counts as one cluster."""
    return Agreement(
        float(adjusted_rand_score(labels, clusters)),
        float(adjusted_mutual_info_score(labels, clusters)),
        purity(clusters, labels),
    )


def purity(clusters: Ints, labels: Ints) -> float:
    """Give the share of rows whose label is their cluster's most frequent one.

    >>> purity(np.array([0, 0, 0, 1]), np.array([5, 5, 7, 7]))
    0.75
    """
    pairs, counts = np.unique(np.stack([clusters, labels]), axis=1, return_counts=True)
    largest = {int(c): 0 for c in pairs[0]}
    for cluster, count in zip(pairs[0].tolist(), counts.tolist(), strict=True):
        largest[cluster] = max(largest[cluster], count)
    return sum(largest.values()) / len(labels)


def silhouette(features: Features, labels: Ints) -> float | None:
    """Tell how much nearer rows are to their own label than to the next, -1 to 1; None if unknown.

    Distances are Euclidean, in the space that `features` are in.
    """
    rows = evenly_spaced(features.shape[0], MAX_JUDGED)
    own = labels[rows]
    if not 1 < len(np.unique(own)) < len(rows):
        return None
    return float(silhouette_score(features[rows], own))


def kmeans(rows: Floats, n_clusters: int, seed: int = 0) -> Ints:
    """Cluster rows; shape ``(n,)``, 0 and up, the largest cluster first."""
    model = KMeans(min(n_clusters, len(rows)), n_init=10, random_state=seed)
    with warnings.catch_warnings():  # of equal rows there are fewer clusters
        warnings.simplefilter("ignore", ConvergenceWarning)
        return by_size(model.fit_predict(rows))


def number_of_clusters(rows: Floats, seed: int = 0) -> int:
    """Find how many clusters stand out most, by silhouette."""
    some = rows[evenly_spaced(len(rows), MAX_JUDGED)]
    tried = {
        k: silhouette(some, kmeans(some, k, seed)) or -1.0 for k in CANDIDATES if k < len(some)
    }
    return max(tried, key=lambda k: tried[k]) if tried else 1


def hdbscan(points: Floats) -> Ints:
    """Cluster points by density; shape ``(n,)``, -1 where a point belongs to none."""
    smallest = max(5, len(points) // 100)
    if len(points) <= smallest:
        return np.full(len(points), NOISE)
    return by_size(HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(points))


def by_size(clusters: Ints) -> Ints:
    """Number clusters anew, the largest 0; noise stays noise."""
    names, counts = np.unique(clusters[clusters != NOISE], return_counts=True)
    rank = {
        int(name): place for place, name in enumerate(names[np.argsort(-counts, kind="stable")])
    }
    return np.array([rank.get(int(cluster), NOISE) for cluster in clusters], dtype=np.intp)


def cluster_names(clusters: Ints, titles: Sequence[str], n_words: int = 3) -> list[str]:
    """Name each cluster by the words that it has and others don't (class-based TF-IDF).

    A word's weight is its share of the cluster's words times ``log(1 + words a cluster / times it
    is there)`` (Grootendorst 2022).
    """
    n = int(clusters.max(initial=NOISE)) + 1
    numbered = [f"cluster {number + 1}" for number in range(n)]
    told = Cleaning(stop_words=False).words(titles)
    try:
        there, words = word_counts([[w for w in own if len(w) > 1 and w.isalpha()] for own in told])
    except ValueError:  # no words at all
        return numbered
    of = np.zeros((n, len(titles)), dtype=np.float32)
    member = clusters != NOISE
    of[clusters[member], np.flatnonzero(member)] = 1
    counts = np.asarray(of @ there)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weights = share * np.log1p(counts.sum() / max(n, 1) / np.maximum(counts.sum(axis=0), 1))
    named = []
    for number, own in zip(numbered, weights, strict=True):
        best = [words[i] for i in np.argsort(-own, kind="stable")[:n_words] if own[i] > 0]
        named.append(", ".join(best) or number)
    return named
