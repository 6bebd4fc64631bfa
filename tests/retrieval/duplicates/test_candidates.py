import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.retrieval.duplicates import candidates
from shelfsure.retrieval.duplicates.candidates import build_index, near_pairs


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


def test_build_index_beyond_the_limit_finds_copies_in_cells(rng, monkeypatch) -> None:
    vectors = unit(rng, 3000, 16)
    copies = vectors[:50] + rng.normal(0, 0.01, (50, 16)).astype(np.float32)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    index = build_index(vectors, exact_limit=1000)
    assert index.ntotal == 3000
    assert hasattr(index, "nprobe")
    _, nearest = index.search(copies, 1)
    assert (nearest[:, 0] == np.arange(50)).mean() > 0.95
    monkeypatch.setattr(candidates, "BLOCK_ROWS", 7)
    small = unit(rng, 20)
    blocked = near_pairs([small], n_neighbours=3, min_similarity=-1)
    monkeypatch.undo()
    assert (
        blocked.rows.tolist()
        == near_pairs([small], n_neighbours=3, min_similarity=-1).rows.tolist()
    )
