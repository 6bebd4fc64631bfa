"""Which pairs of photos are worth a close look: near neighbours, found without an N x N matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import Floats, Ints

EXACT_LIMIT = 50_000  # beyond, the self-join would take hours
BLOCK_ROWS = 4096
PROBED_CELLS = 8
TRAINING_ROWS_PER_CELL = 64


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of rows, each once.

    Parameters
    ----------
    rows
        Shape ``(n_pairs, 2)``. Within one catalogue the smaller row comes first; between two, the
        row of the queries does. Sorted.
    similarity
        Shape ``(n_pairs,)``: cosine of the most similar views.
    """

    rows: Ints
    similarity: Floats


def near_pairs(
    views: Sequence[Floats],
    against: Floats | None = None,
    *,
    n_neighbours: int = 20,
    min_similarity: float = 0.5,
) -> Candidates:
    """Pair each photo with its nearest neighbours under any of its views.

    Time grows with the number of photos as the index's search does, memory linearly.

    Parameters
    ----------
    views
        Each of shape ``(n, d)``, unit length: the photos as they are, then mirrored, cropped…; a
        zero row is passed over.
    against
        Shape ``(m, d)``: other photos to compare with; ``None`` compares ``views[0]`` with itself.
    n_neighbours
        At most so many per photo and view.
    min_similarity
        Cosine below which a pair is left out.
    """
    shelf = views[0] if against is None else against
    index = build_index(shelf)
    found: list[tuple[Ints, Floats]] = []
    for view in views if len(shelf) else []:
        for start in range(0, len(view), BLOCK_ROWS):
            block = np.ascontiguousarray(view[start : start + BLOCK_ROWS], dtype=np.float32)
            k = min(len(shelf), n_neighbours + (against is None))  # the nearest is the row itself
            similarity, neighbours = index.search(block, k)
            near, place = np.nonzero((similarity >= min_similarity) & (neighbours >= 0))
            rows = np.column_stack([start + near, neighbours[near, place]])
            kept = slice(None) if against is not None else rows[:, 0] != rows[:, 1]
            found.append((rows[kept], similarity[near, place][kept]))
    if not found:
        return Candidates(np.zeros((0, 2), dtype=np.intp), np.zeros(0, dtype=np.float32))
    rows = np.concatenate([rows for rows, _ in found])
    similarity = np.concatenate([similarity for _, similarity in found])
    if against is None:
        rows = np.sort(rows, axis=1)
    order = np.argsort(-similarity, kind="stable")  # so that the first of equals is the best
    unique, first = np.unique(rows[order], axis=0, return_index=True)
    return Candidates(unique, similarity[order][first])


def build_index(vectors: Floats, exact_limit: int = EXACT_LIMIT) -> Any:
    """Build a FAISS index by cosine: exact for few vectors, cells (IVF) for many.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, unit length.
    """
    import faiss

    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    flat = faiss.IndexFlatIP(rows.shape[1])
    if len(rows) <= exact_limit:
        flat.add(rows)
        return flat
    n_cells = round(4 * len(rows) ** 0.5)
    index = faiss.IndexIVFFlat(flat, rows.shape[1], n_cells, faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(0)
    n_training = min(len(rows), TRAINING_ROWS_PER_CELL * n_cells)
    index.train(rows[np.sort(rng.choice(len(rows), n_training, replace=False))])
    index.add(rows)
    index.nprobe = PROBED_CELLS
    return index
