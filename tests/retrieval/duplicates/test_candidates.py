import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.retrieval.duplicates import candidates
from shelfsure.retrieval.duplicates.candidates import CandidateSearch, near_pairs


def unit(rng: np.random.Generator, n: int, d: int = 8) -> np.ndarray:
    rows = rng.normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 6), st.floats(-0.5, 0.9))
def test_near_pairs_are_the_nearest_neighbours(seed, n, k, bar) -> None:
    rng = np.random.default_rng(seed)
    vectors, view = unit(rng, n), unit(rng, n)
    found = near_pairs([vectors, view], n_neighbours=k, min_similarity=bar)
    expected: dict[tuple[int, int], float] = {}
    for rows in (vectors, view):
        dense = rows @ vectors.T
        for a in range(n):
            top = np.argsort(-dense[a], kind="stable")[: k + 1]
            for b in (b for b in top.tolist() if b != a and dense[a, b] >= bar):
                key = (min(a, b), max(a, b))
                expected[key] = max(expected.get(key, -2), float(dense[a, b]))
    # at the bar itself rounding decides
    assert len(expected) == pytest.approx(len(found.rows), abs=1)
    for row, similarity in zip(found.rows.tolist(), found.similarity, strict=True):
        if tuple(row) in expected:
            assert similarity == pytest.approx(expected[tuple(row)], abs=1e-5)
    assert (found.rows[:, 0] < found.rows[:, 1]).all()
    assert len(np.unique(found.rows, axis=0)) == len(found.rows)


def test_near_pairs_against_others_keeps_the_direction(rng) -> None:
    there = unit(rng, 30)
    found = near_pairs([there[[7, 3]]], there, n_neighbours=1)
    assert found.rows.tolist() == [[0, 7], [1, 3]]
    assert found.similarity == pytest.approx(1, abs=1e-5)


def test_near_pairs_passes_over_rows_of_zeros(rng) -> None:
    vectors = unit(rng, 6)
    found = near_pairs([vectors, np.zeros_like(vectors)], min_similarity=0.01)
    alone = near_pairs([vectors], min_similarity=0.01)
    assert found.rows.tolist() == alone.rows.tolist()


@pytest.mark.parametrize("n", [0, 1])
def test_near_pairs_of_nothing(rng, n) -> None:
    assert near_pairs([unit(rng, n)]).rows.shape == (0, 2)
    assert near_pairs([unit(rng, 0)], unit(rng, n)).rows.shape == (0, 2)
    assert near_pairs([unit(rng, 3)], unit(rng, 0)).rows.shape == (0, 2)


def test_near_pairs_of_few_photos_is_exact_and_the_same_in_blocks(rng, monkeypatch) -> None:
    small = unit(rng, 20)
    found = near_pairs([small], n_neighbours=3, min_similarity=-1)
    assert found.search == CandidateSearch("exact", 1.0)
    monkeypatch.setattr(candidates, "BLOCK_ROWS", 7)
    blocked = near_pairs([small], n_neighbours=3, min_similarity=-1)
    assert blocked.rows.tolist() == found.rows.tolist()


def clustered(rng: np.random.Generator, n: int, n_clusters: int, d: int = 96) -> np.ndarray:
    centres = rng.standard_normal((n_clusters, d), dtype=np.float32)
    rows = centres[rng.integers(0, n_clusters, n)] + rng.standard_normal((n, d), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def copies_of(rng: np.random.Generator, originals: np.ndarray, cosine: float) -> np.ndarray:
    """Copies at exactly this cosine from their originals, each in a direction of its own."""
    away = rng.standard_normal(originals.shape, dtype=np.float32)
    away -= (away * originals).sum(axis=1, keepdims=True) * originals
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return cosine * originals + np.sqrt(1 - cosine**2) * away


@pytest.mark.parametrize(("n_clusters", "kind"), [(120, "ivf"), (1200, "exact")])
def test_near_pairs_finds_hard_copies_in_a_large_catalogue(rng, caplog, n_clusters, kind) -> None:
    catalogue = clustered(rng, 60_000, n_clusters)
    cosines = np.array([0.6, 0.7, 0.8])
    originals = rng.permutation(60_000)[:12_000].reshape(3, 4000)
    copies = [copies_of(rng, catalogue[o], c) for o, c in zip(originals, cosines, strict=True)]
    with caplog.at_level(logging.INFO):
        found = near_pairs([np.concatenate(copies)], catalogue, n_neighbours=10)
    hits = found.rows[found.rows[:, 1] == originals.ravel()[found.rows[:, 0]]][:, 0]
    recall = np.bincount(hits // 4000, minlength=3) / 4000
    assert (recall >= 0.98).all(), recall
    assert found.search.kind == kind
    assert 0.98 <= found.search.recall_at_10 <= 1
    assert str(found.search) in caplog.text


def test_near_pairs_within_a_large_catalogue_joins_cells_and_says_its_recall(
    rng, monkeypatch
) -> None:
    monkeypatch.setattr(candidates, "WORTH_LISTS", 4000)
    vectors = clustered(rng, 3000, 40, d=32)
    views = [vectors, copies_of(rng, vectors, 0.8)]
    found = near_pairs(views, n_neighbours=5)
    monkeypatch.setattr(candidates, "WORTH_LISTS", 10**9)
    exact = near_pairs(views, n_neighbours=5)
    assert (found.search.kind, exact.search.kind) == ("cells", "exact")
    low, high = found.search.interval
    assert 0.96 < low <= found.search.recall_at_10 <= high
    assert f"recall@10 {found.search.recall_at_10:.3f} (95 %: " in str(found.search)
    ours, true = ({tuple(row) for row in x.rows.tolist()} for x in (found, exact))
    assert len(ours & true) >= 0.95 * len(true)
    assert len(ours - true) <= 0.05 * len(true)
    assert found.similarity.min() >= 0.5
    assert (found.rows[:, 0] < found.rows[:, 1]).all()


def test_near_pairs_of_few_is_exact_where_cells_find_too_few(rng, monkeypatch) -> None:
    monkeypatch.setattr(candidates, "WORTH_LISTS", 100)
    monkeypatch.setattr(candidates, "RECALL_PROMISED", 1.1)
    assert near_pairs([unit(rng, 300)]).search == CandidateSearch("exact", 1.0)


def test_near_pairs_of_few_uploads_is_exact_however_large_the_catalogue(rng) -> None:
    catalogue = unit(rng, 50_001)
    found = near_pairs([catalogue[[7, 3]]], catalogue, n_neighbours=1)
    assert found.search.kind == "exact"
    assert found.rows.tolist() == [[0, 7], [1, 3]]


def test_candidate_search_says_what_it_is() -> None:
    assert str(CandidateSearch("exact", 1.0)) == "exact search, recall@10 1.000"
