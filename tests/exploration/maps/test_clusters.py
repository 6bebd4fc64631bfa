"""Clusters against known partitions."""

import math

import numpy as np
import pytest
from shelfsure.exploration.maps.clusters import (
    agreement,
    by_size,
    cluster_names,
    hdbscan,
    kmeans,
    number_of_clusters,
    purity,
    silhouette,
)


def test_purity_of_the_textbook_example() -> None:
    # Manning, Raghavan & Schuetze 2008, figure 16.4: 17 points, purity 12 / 17, Rand index 0.68
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    labels = np.array([0] * 5 + [1] + [0] + [1] * 4 + [2] + [0] * 2 + [2] * 3)
    assert purity(clusters, labels) == pytest.approx(12 / 17)
    # of 136 pairs, 20 are together in both; 40 by cluster, 44 by label (the book's counts)
    expected, largest = 40 * 44 / 136, (40 + 44) / 2
    assert agreement(clusters, labels).ari == pytest.approx((20 - expected) / (largest - expected))


def test_agreement_of_the_same_and_of_unrelated_partitions() -> None:
    labels = np.repeat([0, 1], 50)
    same = agreement(1 - labels, labels)
    assert (same.ari, same.ami, same.purity) == pytest.approx((1, 1, 1))
    other = agreement(np.tile([0, 1], 50), labels)
    assert other.purity == 0.5
    assert abs(other.ami) < 0.02
    assert abs(other.ari) < 0.02


def test_silhouette_of_two_pairs_by_hand() -> None:
    # a point at 0: own 1, other (10 + 11) / 2; at 1: own 1, other (9 + 10) / 2; and mirrored
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    outer, inner = 1 - 1 / 10.5, 1 - 1 / 9.5
    found = silhouette(points, np.array([0, 0, 1, 1]))
    assert found == pytest.approx((outer + inner) / 2)
    assert silhouette(points, np.zeros(4, dtype=int)) is None


@pytest.fixture
def blobs(rng) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(4), [60, 40, 30, 20])
    middles = np.array([[0, 0], [20, 0], [0, 20], [20, 20]])
    return (middles[labels] + rng.normal(size=(150, 2))).astype(np.float32), labels


def test_blobs_are_found_the_largest_first(blobs) -> None:
    points, labels = blobs
    assert number_of_clusters(points) == 4
    assert kmeans(points, 4).tolist() == labels.tolist()
    dense = hdbscan(points)
    assert agreement(dense[dense >= 0], labels[dense >= 0]).purity == 1
    assert dense.max() == 3


def test_numbering_by_size_leaves_noise_alone() -> None:
    assert by_size(np.array([7, 3, 3, -1])).tolist() == [1, 0, 0, -1]


def test_clusters_are_named_by_the_words_that_only_they_have() -> None:
    titles = ["acme lamp", "acme lamp", "acme rug woven", "acme rug"]
    assert cluster_names(np.array([0, 0, 1, 1]), titles, n_words=1) == ["lamp", "rug"]
    # lamp: half of cluster 0's 4 words, 9 words in 2 clusters, there twice; acme 4 times
    assert 0.5 * math.log1p(4.5 / 2) > 0.5 * math.log1p(4.5 / 4)
    assert cluster_names(np.array([0, 1, -1]), ["", "", ""]) == ["cluster 1", "cluster 2"]


def test_kmeans_of_equal_rows_is_one_cluster_without_a_warning() -> None:
    assert kmeans(np.ones((9, 2), np.float32), 4).tolist() == [0] * 9
