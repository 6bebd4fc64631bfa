"""Approximate indexes against exact search, after removals and under copies of a placeholder."""

from pathlib import Path

import numpy as np
import pytest
from shelfsure.fusion.views import View
from shelfsure.retrieval.index.faiss_build import build_index
from shelfsure.retrieval.index.records import Record
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.index.vector_index import VectorIndex

KINDS = ("hnsw", "ivf")


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors around 20 centres, and tell whose each is."""
    centres, cluster = unit(rng.standard_normal((20, 32))), rng.integers(0, 20, n)
    return unit(centres[cluster] + 0.08 * rng.standard_normal((n, 32))), cluster


def view(vectors: np.ndarray) -> dict[str, View]:
    return {"photo": View(vectors, np.ones(len(vectors), dtype=bool))}


def build(folder: Path, vectors: np.ndarray, kind: str) -> ListingIndex:
    records = [Record(str(row)) for row in range(len(vectors))]
    return ListingIndex.build(folder, records, view(vectors), {}, kind)


def recall(index: ListingIndex, there: dict[str, np.ndarray], queries: np.ndarray) -> float:
    """Share of the true ten nearest that are found; each query must find all it asks for."""
    vectors = np.array(list(there.values()))
    true = np.sort(queries @ vectors.T, axis=1)[:, -10:]
    found = index.search(view(queries), 10)
    assert {len(hits) for hits in found} == {min(10, len(there))}
    assert all(hit.listing_id in there for hits in found for hit in hits)
    near = np.array([[hit.similarity for hit in hits] for hits in found])
    return float((near >= true[:, :1] - 1e-5).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_search_for_what_was_removed_finds_the_nearest_that_stay(
    rng: np.random.Generator, tmp_path: Path, kind: str
) -> None:
    vectors, cluster = clustered(rng, 1500)
    index = build(tmp_path / "index", vectors, kind)
    assert index.info().spaces["photo"].kinds == (kind,)
    gone = np.flatnonzero(cluster < 4)  # whole clusters, as a category is
    index.remove(map(str, gone))
    assert index.info().n_removed == len(gone)
    there = {str(row): vectors[row] for row in np.flatnonzero(cluster >= 4)}
    assert recall(index, there, vectors[gone]) == pytest.approx(1.0)
    assert recall(index, there, vectors[cluster >= 4]) >= 0.98
    index.rebuild()
    assert index.info().n_removed == 0
    assert recall(index, there, vectors[cluster >= 4]) >= 0.98


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_search_agrees_with_exact_search_whatever_was_changed(
    tmp_path: Path, kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors, _ = clustered(rng, 900)
    vectors[300:500] = vectors[300]  # a placeholder
    index = build(tmp_path / "index", vectors, kind)
    there = {str(row): vector for row, vector in enumerate(vectors)}
    for step in range(6):
        if step % 2:
            gone = [str(name) for name in rng.choice(sorted(there), 120, replace=False)]
            assert index.remove(gone) == 120
            there = {name: vector for name, vector in there.items() if name not in set(gone)}
        else:
            names = [str(name) for name in rng.choice(1200, 90, replace=False)]
            fresh, _ = clustered(rng, 90)
            fresh[:30] = vectors[300]
            index.add([Record(name) for name in names], view(fresh))
            there |= dict(zip(names, fresh, strict=True))
        queries = unit(np.array(list(there.values()))[::5] + 0.05 * rng.standard_normal(32))
        assert recall(index, there, queries) >= 0.97
    assert sorted(index.ids()) == sorted(there)


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_copies_of_a_placeholder_lose_no_other_photo(
    rng: np.random.Generator, kind: str
) -> None:
    others, _ = clustered(rng, 1200)
    placeholder = unit(rng.standard_normal((1, 32))).repeat(3000, axis=0)
    vectors = np.concatenate([others[:600], placeholder, others[600:]])
    built = build_index(View(vectors, np.ones(len(vectors), dtype=bool)), kind)
    found, _ = VectorIndex(built.index).search(others, 10)
    true = np.sort(others @ vectors.T, axis=1)[:, -10:]
    assert (found[:, 0] > 0.999).all()  # each finds itself
    assert (found >= true[:, :1] - 1e-5).mean() >= 0.98
    assert built.recall_at_10 >= 0.98
