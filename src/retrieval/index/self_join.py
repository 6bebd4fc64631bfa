"""The nearest neighbours of all vectors among each other, by cells; and how many it finds."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from ...core.arrays import Bools, Floats, Ints
from .cells import Cells, add_to_heaps, cells_for, join_cell, train_cells
from .recall import HARD_COSINE, RECALL_AT, planted_copies

RECALL_TARGET = 0.985  # on a sample; what is promised is .98
VISITED = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
COPY_COSINES = (HARD_COSINE, 0.7, 0.8)
_N_TRIED = 500  # vectors whose true neighbours are sought, to choose and to measure each
_N_COPIES = 3000  # likewise
_BLOCK_ROWS = 8192
_SAMPLE = 1 << 18  # vectors, at most, to draw cells around
_SEED = 20_261_129
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recall:
    """A share found among `n` tries, 0 to 1, with its 95 % interval (Clopper and Pearson 1934).

    >>> print(Recall.of(0.99, 1000))
    0.990 (95 %: 0.982 to 0.995)
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, share: float, n: int) -> "Recall":
        hits = share * n
        low = beta.ppf(0.025, hits, n - hits + 1) if hits > 0 else 0.0
        high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
        return cls(share, float(low), float(high))

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 %: {self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class SelfJoin:
    """Each vector's nearest others.

    Parameters
    ----------
    rows, similarity
        Shape ``(n, k)``, nearest first; -1 and ``-inf`` where there are no more. Queries that were
        given besides come after the vectors.
    n_cells, n_visited
        How many cells were drawn, and in how many each vector was compared.
    recall_at_10
        Of the true ten nearest, against exact search. Its interval takes a vector's ten for one.
    recall_of_copies
        Of planted copies, a third each at cosine .6, .7 and .8 from their originals.
    """

    rows: Ints
    similarity: Floats
    n_cells: int
    n_visited: int
    recall_at_10: Recall
    recall_of_copies: Recall


def self_join(
    vectors: Floats,
    k: int = RECALL_AT,
    *,
    queries: Floats | None = None,
    min_similarity: float = -1.0,
    n_visited: int = 0,
) -> SelfJoin:
    """Find each vector's `k` nearest others.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, unit length, single or half precision, also mapped from a file.
    queries
        Shape ``(m, d)``, unit length or zero: their nearest among the vectors are found, too; they
        are nobody's neighbours.
    min_similarity
        Cosine below which a neighbour is left out.
    n_visited
        Cells in which each vector is compared; 0 takes as few as find .985 of the true neighbours
        and of planted copies on a sample, 128 at most.
    """
    rng = np.random.default_rng(_SEED)
    chosen = np.sort(rng.permutation(len(vectors))[:_SAMPLE])
    cells = train_cells(_single(vectors, chosen), cells_for(len(vectors)))
    trial = _Trial.of(vectors, cells, min(k, RECALL_AT), min_similarity, rng)
    n_visited = n_visited or trial.n_visited()
    visited = cells.nearest(vectors, n_visited)
    asked = vectors[:0] if queries is None else queries
    guests = cells.nearest(asked, n_visited)
    similarity, rows = _join([vectors, asked], [visited, guests], len(cells), k, min_similarity)
    result = SelfJoin(
        rows,
        similarity,
        len(cells),
        visited.shape[1],
        trial.recall(similarity),
        trial.recall_of_copies(visited.shape[1]),
    )
    _LOG.info(
        "%d vectors joined, each in %d of %d cells: recall@10 %s, of planted copies %s",
        len(vectors),
        result.n_visited,
        result.n_cells,
        result.recall_at_10,
        result.recall_of_copies,
    )
    return result


@dataclass(frozen=True)
class _Trial:
    """Vectors whose true neighbours are known, and planted copies; cells by the most visited.

    The first half serves to choose how many cells to visit, the second to measure.
    """

    queries: Ints
    similarity: Floats
    query_cells: Ints
    neighbour_cells: Ints
    near: Bools
    original_cells: Ints
    copy_cells: Ints

    @classmethod
    def of(
        cls,
        vectors: Floats,
        cells: Cells,
        k: int,
        min_similarity: float,
        rng: np.random.Generator,
    ) -> "_Trial":
        queries = rng.permutation(len(vectors))[: 2 * _N_TRIED]
        similarity, rows = _exact(vectors, queries, k)
        originals = _single(vectors, rng.permutation(len(vectors))[: 2 * _N_COPIES])
        cosines = np.resize(COPY_COSINES, len(originals))
        copies = np.empty_like(originals)
        for cosine in COPY_COSINES:
            own = cosines == cosine
            copies[own] = planted_copies(originals[own], cosine, rng)
        return cls(
            queries,
            similarity,
            cells.nearest(_single(vectors, queries), VISITED[-1]),
            cells.nearest(_single(vectors, rows.ravel()), VISITED[-1]).reshape(*rows.shape, -1),
            similarity >= min_similarity,
            cells.nearest(originals, VISITED[-1]),
            cells.nearest(copies, VISITED[-1]),
        )

    def n_visited(self) -> int:
        """Find the least number of cells that finds enough of the first half; else the most."""
        half = len(self.queries) // 2
        for n in VISITED:
            asked = np.broadcast_to(
                self.query_cells[:half, None], self.neighbour_cells[:half].shape
            )
            met = meet(asked[..., :n], self.neighbour_cells[:half, :, :n])[self.near[:half]]
            if min(met.mean() if len(met) else 1.0, self._copies_met(n)[0].mean()) >= RECALL_TARGET:
                return n
        return VISITED[-1]

    def recall(self, similarity: Floats) -> Recall:
        """Compare the second half's neighbours as they were found with the true ones."""
        half = len(self.queries) // 2
        true, near = self.similarity[half:], self.near[half:]
        bar = np.where(near, true, np.inf).min(axis=1, initial=np.inf, keepdims=True)
        hits = np.minimum(
            (similarity[self.queries[half:]] >= bar - 1e-5).sum(axis=1), near.sum(axis=1)
        )
        return Recall.of(hits.sum() / max(near.sum(), 1) if near.any() else 1.0, len(true))

    def recall_of_copies(self, n: int) -> Recall:
        met = self._copies_met(n)[1]
        return Recall.of(float(met.mean()), len(met))

    def _copies_met(self, n: int) -> tuple[Bools, Bools]:
        met = meet(self.original_cells[:, :n], self.copy_cells[:, :n])
        return met[: len(met) // 2], met[len(met) // 2 :]


def meet(a: Ints, b: Ints) -> Bools:
    """Whether two vectors are compared in some cell, by the cells that each visits, home first."""
    return np.asarray((a[..., :1] == b).any(axis=-1) | (b[..., :1] == a).any(axis=-1))


def _join(
    vectors: list[Floats], cells: list[Ints], n_cells: int, k: int, min_similarity: float
) -> tuple[Floats, Ints]:
    """Join cell by cell, and keep the best of each vector: cosines and rows, nearest first.

    Of two arrays of vectors, with the cells that each visits, only the first live somewhere.
    """
    n, visited = len(vectors[0]), np.concatenate(cells)
    floor = np.nextafter(np.float32(min_similarity), np.float32(-2))
    best = np.full((len(visited), k), floor, dtype=np.float32)
    ids = np.full((len(visited), k), -1, dtype=np.int64)
    order = np.argsort(visited.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(visited.ravel(), minlength=n_cells))
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        rows, rank = np.divmod(order[start:end], visited.shape[1])
        lives = (rank == 0) & (rows < n)
        home, visitors, guests = rows[lives], rows[~lives & (rows < n)], rows[rows >= n]
        rows = np.concatenate([home, visitors, guests])
        own = [_single(vectors[0], home), _single(vectors[0], visitors)]
        others = np.concatenate([own[1], _single(vectors[1], guests - n)])
        found = join_cell(own[0], others, k=k, floors=best[rows, 0])
        a, b, similarity = rows[found.a], rows[found.b], found.similarity
        # who lives here meets a visitor again as a visitor of its home; a guest is no neighbour
        late = np.flatnonzero(found.b >= len(home))
        again = (visited[a[late]] == visited[b[late], :1]).any(axis=1) | (b[late] >= n)
        a, b, similarity = (np.delete(values, late[again]) for values in (a, b, similarity))
        _merge(best, ids, a, b, similarity)
    order = np.argsort(-best, axis=1, kind="stable")
    ids = np.take_along_axis(ids, order, axis=1)
    return np.where(ids < 0, -np.inf, np.take_along_axis(best, order, axis=1)), ids


def _merge(best: Floats, ids: Ints, a: Ints, b: Ints, similarity: Floats) -> None:
    """Let pairs, `b` near `a`, into the heaps of `a`, in place."""
    order = np.lexsort((-similarity, a))
    a, b, similarity = a[order], b[order], similarity[order]
    rows, first, place = np.unique(a, return_index=True, return_inverse=True)
    rank = np.arange(len(a)) - first[place]
    kept = rank < best.shape[1]
    table = np.full((len(rows), best.shape[1]), -np.inf, dtype=np.float32)
    new = np.full(table.shape, -1, dtype=np.int64)
    table[place[kept], rank[kept]], new[place[kept], rank[kept]] = similarity[kept], b[kept]
    own, own_ids = best[rows], ids[rows]
    add_to_heaps(own, own_ids, table, new)
    best[rows], ids[rows] = own, own_ids


def _exact(vectors: Floats, queries: Ints, k: int) -> tuple[Floats, Ints]:
    """Compare some with all: cosines and rows of the nearest others, in no order."""
    best = np.full((len(queries), k), -2, dtype=np.float32)
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    asked = _single(vectors, queries)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = np.asarray(vectors[start : start + _BLOCK_ROWS], dtype=np.float32)
        similarity = asked @ block.T
        here = np.flatnonzero((queries >= start) & (queries < start + len(block)))
        similarity[here, queries[here] - start] = -np.inf
        add_to_heaps(best, ids, similarity, np.arange(start, start + len(block)))
    return best, ids


def _single(vectors: Floats, rows: Ints) -> Floats:
    return np.asarray(vectors[rows], dtype=np.float32)
