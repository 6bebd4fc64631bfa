"""Building a FAISS index: which kind, and how wide it must search to find the true neighbours."""

import logging
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ...core.arrays import Floats, Ints
from ...fusion.views import View
from .manifest import Kind, WantedKind
from .recall import RECALL_AT, RecallTest, sample
from .rows import dense
from .vector_index import faiss, fill

EXACT_BELOW = 50_000
# The margin above the promise pays for the sampling error.
RECALL_PROMISED, RECALL_TARGET = 0.98, 0.985
_TRAINABLE_FROM = 256
_LISTS_PER_ROOT = 4  # half as many need ten times the search where clusters are many and small
_FEWEST_PER_LIST = 39  # below this FAISS itself warns of poor clusters
_TRAINING_PER_LIST = 40
_HNSW_LINKS = 32
_HNSW_WIDEST_SEARCH = 4096
_NARROWEST = 2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuiltIndex:
    """A FAISS index with each vector under its row and the width of search that was found.

    `kind` is what it is in the end; `recall_at_10` is the share of the true ten nearest that are
    found, 0 to 1, on a sample; 1 by exact search.
    """

    index: Any
    kind: Kind
    recall_at_10: float


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


def build_index(view: View, kind: Kind, *, max_probed_fraction: float = 1.0) -> BuiltIndex:
    """Build an index of the vectors that are there; search as wide as the recall needs.

    Parameters
    ----------
    view
        Unit vectors; a row's number becomes its id.
    max_probed_fraction
        Share of the inverted lists, above 0, up to 1, that a query may look through. Where that
        finds too few of the true neighbours, the index becomes an exact one.

    A graph that doesn't reach the wanted recall, however wide the search, becomes lists: many
    copies of one photo link to each other, and part the rest.
    """
    rows, vectors = np.flatnonzero(view.present), dense(view)
    vectors = vectors if len(rows) == len(vectors) else vectors[rows]
    if kind == "hnsw":
        built = _build_graph(vectors, rows)
        if built.recall_at_10 >= RECALL_PROMISED:
            return built
        _LOG.warning(
            "A graph of %d vectors finds %.1f%% of the true %d nearest; lists are built instead",
            len(rows),
            100 * built.recall_at_10,
            RECALL_AT,
        )
    if kind != "exact":
        built = _build_lists(vectors, rows, max_probed_fraction)
        if built.recall_at_10 >= RECALL_PROMISED:
            return built
        del built  # before the vectors are copied once more
    return BuiltIndex(fill(faiss.IndexFlatIP(vectors.shape[1]), vectors, rows), "exact", 1.0)


def _build_graph(vectors: Floats, rows: Ints) -> BuiltIndex:
    inner = faiss.IndexHNSWFlat(vectors.shape[1], _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
    index = fill(inner, vectors, rows)
    recall = _widen(inner, inner.hnsw, "efSearch", _HNSW_WIDEST_SEARCH, vectors)
    return BuiltIndex(index, "hnsw", recall)


def _build_lists(vectors: Floats, rows: Ints, max_probed_fraction: float) -> BuiltIndex:
    dim = vectors.shape[1]
    n_lists = min(int(_LISTS_PER_ROOT * len(rows) ** 0.5), len(rows) // _FEWEST_PER_LIST)
    training = sample(vectors, _TRAINING_PER_LIST * n_lists)
    n_lists = max(1, min(n_lists, len(training) // _FEWEST_PER_LIST))
    inner = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, n_lists, faiss.METRIC_INNER_PRODUCT)
    inner.train(training)
    index = fill(inner, vectors, rows)
    inner.make_direct_map()  # finds a vector by its place, which `VectorIndex.vectors` needs
    widest = max(1, int(max_probed_fraction * n_lists))
    return BuiltIndex(index, "ivf", _widen(inner, inner, "nprobe", widest, vectors))


def _widen(inner: Any, owner: Any, setting: str, widest: int, vectors: Floats) -> float:
    """Double a search setting until enough of the true neighbours are found; the recall reached."""
    test = RecallTest(vectors)
    width = min(_NARROWEST, widest)
    while True:
        setattr(owner, setting, width)
        recall = test.recall(inner.search)
        if recall >= RECALL_TARGET or width == widest:
            return recall
        width = min(2 * width, widest)
