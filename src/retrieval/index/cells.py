"""Cells: nearest neighbours of many vectors among each other, without comparing all with all.

K-means on a sample draws the cells. A vector lives in the cell of its nearest centre, its home, and
visits those of its next nearest centres. Within a cell everyone is compared with those who live
there, exactly. So two vectors meet where one of them visits the other's home. Arrays only: what
joins the cells of one machine (`self_join`) or of many shares this code.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...core.arrays import Floats, Ints, unit_rows
from .recall import sample
from .vector_index import faiss, prefer_blas

N_VISITED = 4  # home and the cells of the 2nd to 4th nearest centre
MAX_HOME = 4096
"""Most who live in a cell that is joined in one piece; more are mostly copies of one vector."""
_FEWEST = 16  # vectors a cell
_PER_CELL = 10  # vectors of the sample
_MAX_DIM = 128
_CROWDED = 3  # times as many of the sample as in the mean cell; such a cell is split
_ROUNDS = 3
_BLOCK = 1 << 20  # products at a time
_SEED = 20_261_128


@dataclass(frozen=True)
class Cells:
    """Where cells lie.

    Parameters
    ----------
    centres
        Shape ``(n_cells, m)``, unit length.
    projection
        Shape ``(d, m)``: takes vectors to the principal directions in which cells are told apart.
        That saves most of the time, as finding the nearest centres is the dearest part of a join.
    """

    centres: Floats
    projection: Floats

    def __len__(self) -> int:
        return len(self.centres)

    def nearest(self, vectors: Floats, n: int = N_VISITED) -> Ints:
        """Find the cells of each vector's `n` nearest centres: its home first, then by nearness.

        Returns shape ``(n_vectors, n)``, or as many columns as there are cells.
        """
        prefer_blas(len(vectors))
        n, metric = min(n, len(self)), faiss.METRIC_INNER_PRODUCT
        cells = np.empty((len(vectors), n), dtype=np.uint16 if len(self) <= 1 << 16 else np.int32)
        rows = max(1024, 16 * _BLOCK // len(self))
        for start in range(0, len(vectors), rows):
            block = np.asarray(vectors[start : start + rows], dtype=np.float32) @ self.projection
            cells[start : start + rows] = faiss.knn(block, self.centres, n, metric=metric)[1]
        return cells


@dataclass(frozen=True)
class CellPairs:
    """Who is near whom in a cell: places among those who live there, then those who visit.

    `similarity` is the cosine of the vectors at `a` and at `b`; all are of shape ``(n_pairs,)``.
    """

    a: Ints
    b: Ints
    similarity: Floats


def cells_for(n_vectors: int) -> int:
    """Number of cells for a join: small ones, of which many can be visited."""
    return max(1, min(int(12 * n_vectors**0.5), n_vectors // _FEWEST))


def train_cells(vectors: Floats, n_cells: int) -> Cells:
    """Draw about `n_cells` cells around unit vectors, ``(n, d)``: all, or a sample of them.

    A crowded cell is split, so there may be a few more. Copies of one vector count once.
    """
    drawn = np.asarray(sample(vectors, _PER_CELL * n_cells), dtype=np.float32)
    projection = np.linalg.eigh(drawn.T @ drawn)[1][:, -_MAX_DIM:]
    centres = _k_means(drawn @ projection, n_cells)
    home = Cells(centres, projection).nearest(drawn, 1)[:, 0]
    sizes = np.bincount(home, minlength=len(centres))
    crowded = np.flatnonzero(sizes > _CROWDED * len(drawn) / len(centres))
    parts = [
        _k_means(drawn[home == cell] @ projection, round(sizes[cell] / len(drawn) * len(centres)))
        for cell in crowded
    ]
    return Cells(np.concatenate([np.delete(centres, crowded, axis=0), *parts]), projection)


def join_cell(
    home: Floats,
    visitors: Floats,
    *,
    k: int | None = None,
    min_similarity: float = -1.0,
    floors: Floats | None = None,
) -> CellPairs:
    """Compare those who live in a cell with each other and with those who visit it, exactly.

    Parameters
    ----------
    home, visitors
        Shape ``(n, d)`` each, float32 unit vectors.
    k
        The `k` nearest of each, from `a` to `b`: a visitor's among those who live here, a
        resident's among all. ``None`` gives each pair that is near enough once.
    min_similarity
        Cosine below which a pair is left out.
    floors
        Shape ``(n_home + n_visitors,)``, with `k`: below, it is too far for each vector, because
        nearer ones are known from other cells.

    Where more than `MAX_HOME` live, these are joined in parts, each with the visitors and with the
    first part: of thousands of copies of one vector, each finds `k`, though not every other.
    """
    if len(home) <= MAX_HOME:
        members = np.concatenate([home, visitors])
        bars = np.full(len(members), min_similarity, dtype=np.float32)
        if k is None:
            return _near_enough(members, len(home), min_similarity)
        return _nearest(members, len(home), k, bars if floors is None else np.maximum(bars, floors))
    guests = np.arange(len(home), len(home) + len(visitors))
    every, found = np.concatenate([home, visitors]), []
    for start in range(0, len(home), MAX_HOME):
        own = np.arange(start, min(start + MAX_HOME, len(home)))
        others = guests if start else np.concatenate([np.arange(MAX_HOME, len(home)), guests])
        places = np.concatenate([own, others])
        part = join_cell(
            every[own],
            every[others],
            k=k,
            min_similarity=min_similarity,
            floors=None if floors is None else floors[places],
        )
        found.append(CellPairs(places[part.a], places[part.b], part.similarity))
    return _concatenated(found)


def _nearest(members: Floats, n_home: int, k: int, floors: Floats) -> CellPairs:
    """Keep the k nearest of each in a heap; who lives here meets visitors by their products."""
    best = np.repeat(floors[:, None], k, axis=1)
    place = np.full((len(members), k), -1, dtype=np.int64)
    home, ids, more = members[:n_home], np.arange(n_home), []
    for start, end in _blocks(len(members), n_home):
        similarity = members[start:end] @ home.T
        if start < n_home:
            similarity[np.arange(end - start), np.arange(start, end)] = -np.inf
        else:
            visitor, resident = np.nonzero(similarity > best[:n_home].min(axis=1))
            more.append(CellPairs(resident, start + visitor, similarity[visitor, resident]))
        add_to_heaps(best[start:end], place[start:end], similarity, ids)
    a, rank = np.nonzero(place >= 0)
    return _concatenated([CellPairs(a, place[a, rank], best[a, rank]), *more])


def _near_enough(members: Floats, n_home: int, min_similarity: float) -> CellPairs:
    home, found = members[:n_home], []
    for start, end in _blocks(len(members), n_home):
        similarity = members[start:end] @ home.T
        a, b = np.nonzero(similarity >= min_similarity)
        once = b < start + a  # for a visitor that's always so
        a, b = a[once], b[once]
        found.append(CellPairs(b, start + a, similarity[a, b]))
    return _concatenated(found)


def add_to_heaps(best: Floats, ids: Ints, similarity: Floats, new_ids: Ints) -> None:
    """Let neighbours push out farther ones, in place.

    Parameters
    ----------
    best, ids
        Shape ``(n, k)``, contiguous: cosines as heaps, the smallest first, and whose they are.
    similarity, new_ids
        Shape ``(n, m)``; `new_ids` also ``(m,)``, if they are the same for all rows.
    """
    heaps = faiss.float_minheap_array_t()
    heaps.nh, heaps.k = best.shape
    heaps.val, heaps.ids = faiss.swig_ptr(best), faiss.swig_ptr(ids)
    new = np.ascontiguousarray(new_ids, dtype=np.int64)
    stride, n_new = 0 if new.ndim == 1 else new.shape[1], similarity.shape[1]
    if n_new and len(best):
        heaps.addn_with_ids(n_new, faiss.swig_ptr(similarity), faiss.swig_ptr(new), stride)


def _blocks(n: int, n_home: int) -> list[tuple[int, int]]:
    """Rows to multiply at once; none holds residents and visitors at the same time."""
    rows = max(64, _BLOCK // max(n_home, 1))
    starts = [*range(0, n_home, rows), *range(n_home, n, rows)]
    return list(pairwise([*starts, n]))


def _concatenated(pairs: list[CellPairs]) -> CellPairs:
    if not pairs:
        none = np.zeros(0, dtype=np.intp)
        return CellPairs(none, none, np.zeros(0, dtype=np.float32))
    a, b, similarity = (
        np.concatenate([getattr(part, name) for part in pairs]) for name in ("a", "b", "similarity")
    )
    return CellPairs(a, b, similarity)


def _k_means(vectors: Floats, n_cells: int) -> Floats:
    n_cells = max(1, min(n_cells, len(vectors)))
    if n_cells == 1:
        return unit_rows(vectors.mean(axis=0, keepdims=True))
    trained = faiss.Kmeans(
        vectors.shape[1],
        n_cells,
        niter=_ROUNDS,
        spherical=True,
        seed=_SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=2 * _PER_CELL * _CROWDED,
    )
    trained.train(np.ascontiguousarray(vectors))
    return np.asarray(trained.centroids)
