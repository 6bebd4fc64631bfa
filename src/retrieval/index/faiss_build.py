"""Building a FAISS index: which kind, and how wide it must search to find the true neighbours."""

from typing import Any, get_args

import numpy as np

from ...core.arrays import Floats
from ...core.errors import IndexRecallError
from ...fusion.views import View
from .manifest import Kind, WantedKind
from .rows import dense
from .vector_index import faiss, fill, prefer_blas

EXACT_BELOW = 50_000
# Measured on a sample of the index's own vectors; the margin above the promised .95 pays for the
# sampling error and for queries that lie farther from the catalogue than its own listings do.
RECALL_PROMISED, RECALL_TARGET = 0.95, 0.97
RECALL_AT = 10
_RECALL_SAMPLE = 500
_TRAINABLE_FROM = 256
_TRAINING_PER_LIST = 64
_FEWEST_PER_LIST = 39  # below this FAISS itself warns of poor clusters
_HNSW_LINKS = 32
_HNSW_WIDEST_SEARCH = 4096
_NARROWEST = 4


def choose_kind(wanted: WantedKind, n_vectors: int) -> Kind:
    """Decide how vectors are searched.

    Exact search is fast enough below 50,000 vectors. Beyond, inverted lists rather than a graph
    (HNSW): they are built three times faster, which counts as an index grows, and reach any recall.
    """
    if wanted not in get_args(WantedKind):
        raise ValueError(
            f"An index's kind must be one of {', '.join(get_args(WantedKind))}, got {wanted!r}."
        )
    if n_vectors < _TRAINABLE_FROM:
        return "exact"
    if wanted == "auto":
        return "exact" if n_vectors < EXACT_BELOW else "ivf"
    return wanted


def build_index(view: View, kind: Kind) -> tuple[Any, float]:
    """Build an index of the vectors that are there; search as wide as the recall needs.

    Parameters
    ----------
    view
        Unit vectors; a row's number becomes its id.

    Returns
    -------
    index
        Searches with the width that was found; the file keeps it.
    recall_at_10
        Share of the true ten nearest that are found, 0 to 1, on a sample.

    Raises
    ------
    IndexRecallError
        If a graph doesn't reach the wanted recall, however wide the search.
    """
    rows = np.flatnonzero(view.present)
    vectors = dense(view)[rows]
    dim = vectors.shape[1]
    if kind == "exact":
        return fill(faiss.IndexFlatIP(dim), vectors, rows), 1.0
    if kind == "hnsw":
        inner = faiss.IndexHNSWFlat(dim, _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index = fill(inner, vectors, rows)
        return index, _widen(inner, inner.hnsw, "efSearch", _HNSW_WIDEST_SEARCH, vectors)
    n_lists = min(int(2 * len(rows) ** 0.5), len(rows) // _FEWEST_PER_LIST)
    inner = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, n_lists, faiss.METRIC_INNER_PRODUCT)
    inner.train(_sample(vectors, _TRAINING_PER_LIST * n_lists))
    index = fill(inner, vectors, rows)
    inner.make_direct_map()  # finds a vector by its place, which `VectorIndex.vectors` needs
    return index, _widen(inner, inner, "nprobe", n_lists, vectors)


def recall_at(found: Floats, true: Floats) -> float:
    """Share of the true nearest that were found, when each query is itself in the index.

    Counts by similarity, so that it doesn't matter which of equally near vectors was found. The
    query itself, found by any search, counts for nothing.

    Parameters
    ----------
    found, true
        Shape ``(n_queries, 1 + k)``, similarities by the search and by an exact one.
    """
    if true.shape[1] < 2:
        return 1.0
    hits = (found >= true[:, -1:] - 1e-5).sum(axis=1)
    return float(np.clip(hits - 1, 0, None).mean() / (true.shape[1] - 1))


def _widen(inner: Any, owner: Any, setting: str, widest: int, vectors: Floats) -> float:
    """Double a search setting until enough of the true neighbours are found; the recall reached."""
    queries = _sample(vectors, _RECALL_SAMPLE)
    k = 1 + min(RECALL_AT, len(vectors) - 1)
    prefer_blas(len(queries))
    true, _ = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    width = min(_NARROWEST, widest)
    while True:
        setattr(owner, setting, width)
        recall = recall_at(inner.search(queries, k)[0], true)
        if recall >= RECALL_TARGET or width == widest:
            break
        width = min(2 * width, widest)
    if recall < RECALL_PROMISED:
        raise IndexRecallError(
            f"An index must find {RECALL_PROMISED:.0%} of the true {RECALL_AT} nearest, but "
            f"{setting} {width} finds {recall:.1%} of them. Choose the kind ivf or exact."
        )
    return recall


def _sample(vectors: Floats, n: int) -> Floats:
    rows = np.random.default_rng(0).permutation(len(vectors))[:n]
    return vectors[np.sort(rows)]
