"""How many of the true nearest an index finds, tried with easy queries and with hard ones."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ...core.arrays import Floats, Ints
from .vector_index import faiss, prefer_blas

Search: TypeAlias = Callable[[Floats, int], tuple[Floats, Ints]]
RECALL_AT = 10
HARD_COSINE = 0.6
"""Of a hard query and the vector that it is a copy of; crops of photos are rarely below .7."""
_QUERIES = 1000
_SEED = 610_612_741  # like nobody's: drawn test data of the same seed would hold the hard queries


class RecallTest:
    """Queries whose true neighbours are known, for all of an index: ``(n, d)``, unit length.

    Half of them are vectors of the index, half are hard copies of these. A vector alone is too
    easy a query: it lies in the midst of its neighbours, while what is looked up often doesn't.
    """

    def __init__(self, vectors: Floats) -> None:
        stored = sample(vectors, _QUERIES)
        copies = planted_copies(stored, HARD_COSINE, np.random.default_rng(_SEED))
        self._n, self._k = len(stored), min(RECALL_AT, len(vectors) - 1)
        self._queries = np.concatenate([stored, copies])
        prefer_blas(len(self._queries))
        metric = faiss.METRIC_INNER_PRODUCT
        self._true = faiss.knn(self._queries, vectors, 1 + self._k, metric=metric)[0]

    def recall(self, search: Search) -> float:
        """Share of the true ten nearest that are found, 0 to 1: of the two halves, the lower one.

        `search` takes queries and a number, and gives similarities and rows, best first.
        """
        found, _ = search(self._queries, 1 + self._k)
        stored, copies = slice(None, self._n), (slice(self._n, None), slice(None, self._k))
        return min(
            recall_at(found[stored], self._true[stored], n_self=1),
            recall_at(found[copies], self._true[copies]),
        )


def recall_at(found: Floats, true: Floats, *, n_self: int = 0) -> float:
    """Share of the true nearest that were found.

    Counts by similarity, so that it doesn't matter which of equally near vectors was found.

    Parameters
    ----------
    found, true
        Shape ``(n_queries, n_self + k)``, similarities by the search and by an exact one.
    n_self
        1 if each query is itself in the index: found by any search, it counts for nothing.
    """
    k = true.shape[1] - n_self
    if k < 1:
        return 1.0
    hits = (found >= true[:, -1:] - 1e-5).sum(axis=1)
    return float(np.clip(hits - n_self, 0, None).mean() / k)


def planted_copies(vectors: Floats, cosine: float, rng: np.random.Generator) -> Floats:
    """Turn each vector, ``(n, d)`` of unit length, away by a `cosine`, in a random direction."""
    away = rng.standard_normal(vectors.shape, dtype=np.float32)
    away -= (away * vectors).sum(axis=1, keepdims=True) * vectors
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    return np.asarray(cosine * vectors + (1 - cosine**2) ** 0.5 * away, dtype=np.float32)


def sample(vectors: Floats, n: int) -> Floats:
    """Draw `n` distinct vectors, the same ones each time, or all if there are fewer.

    Thousands of copies of one placeholder would else be most of what is trained on and tried.
    """
    distinct: dict[bytes, int] = {}
    for row in np.random.default_rng(_SEED).permutation(len(vectors)).tolist():
        if len(distinct) == n:
            break
        distinct.setdefault(vectors[row].tobytes(), row)
    return vectors[np.sort(np.fromiter(distinct.values(), dtype=np.int64))]
