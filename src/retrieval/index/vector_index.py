"""Vectors of one space in FAISS: search them, give them back, write and read them."""

from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

from ...core.arrays import Bools, Floats, Ints
from ...fusion.views import View
from .manifest import FileEntry, verify
from .rows import dense
from .ties import first_of_equals

faiss: Any = faiss_module  # its own type stubs know only a part of it

_SMALL_BATCH = 3
_OVERFETCH = 2  # of the neighbours wanted, where some rows were removed
_BUFFER = 1 << 20


class VectorIndex:
    """Vectors that are there, each under its listing's row; only live rows are found.

    The FAISS index holds unit vectors by inner product, its ids the rows, ascending; `live` is by
    row, None if all are.
    """

    def __init__(self, index: Any, live: Bools | None = None) -> None:
        self._index = index
        self._inner = faiss.downcast_index(index.index)
        self._live = live
        self.rows: Ints = faiss.vector_to_array(index.id_map)

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Find the nearest rows: cosines, largest first, and rows, both ``(n_queries, k)``.

        Where there are no more, these are ``-inf`` and -1.
        """
        prefer_blas(len(queries))
        if isinstance(self._inner, faiss.IndexFlat):  # of which only what is live is kept
            similarities, rows = self._search_flat(queries, k)
        elif self._live is None:
            similarities, rows = self._index.search(queries, k)
        else:
            similarities, rows = self._search_live(queries, k, self._live)
        return np.where(rows < 0, -np.inf, np.clip(similarities, -1, 1)), rows

    def _search_flat(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        similarities, rows = self._index.search(queries, k + 1)

        def within(query: int, least: float) -> tuple[Floats, Ints]:
            _, near, places = self._inner.range_search(queries[query : query + 1], least)
            return near, self.rows[places]

        return first_of_equals(similarities, rows, k, within)

    def _search_live(self, queries: Floats, k: int, live: Bools) -> tuple[Floats, Ints]:
        """Search among more than is wanted; where too few of these are live, search exactly.

        Removed rows stay in a graph and in lists as steps on the way to others. A filter during
        the search would lose those behind them.
        """
        n_live = int(live[self.rows].sum())
        n_fetched = min(_OVERFETCH * k, len(self.rows))
        similarities, rows = self._index.search(queries, n_fetched, params=self._wider())
        found = (rows >= 0) & live[rows]
        order = np.argsort(~found, axis=1, kind="stable")[:, :k]
        similarities, rows, found = (
            np.take_along_axis(values, order, axis=1) for values in (similarities, rows, found)
        )
        answers = np.full((len(queries), k), -1, dtype=np.int64)
        answers[:, : rows.shape[1]] = np.where(found, rows, -1)
        cosines = np.full((len(queries), k), -np.inf, dtype=np.float32)
        cosines[:, : rows.shape[1]] = similarities
        few = found.sum(axis=1) < min(k, n_live)
        if few.any():
            cosines[few], answers[few] = self._search_exactly(queries[few], k, live)
        return cosines, answers

    def _search_exactly(self, queries: Floats, k: int, live: Bools) -> tuple[Floats, Ints]:
        """Compare with every live vector, without a copy of any."""
        if isinstance(self._inner, faiss.IndexIVF):
            chosen = faiss.IDSelectorBitmap(np.packbits(live, bitorder="little"))
            parameters = faiss.SearchParametersIVF(sel=chosen, nprobe=self._inner.nlist)
            found: tuple[Floats, Ints] = self._index.search(queries, k, params=parameters)
            return found
        places = faiss.IDSelectorBitmap(np.packbits(live[self.rows], bitorder="little"))
        parameters = faiss.SearchParameters(sel=places)
        similarities, places = self._inner.storage.search(queries, k, params=parameters)
        return similarities, np.where(places < 0, -1, self.rows[places])

    def vectors(self, rows: Ints) -> View:
        """Give vectors back; a row without one is marked as not present."""
        features = np.zeros((len(rows), self._index.d), dtype=np.float32)
        places = np.searchsorted(self.rows, rows)
        present = places < len(self.rows)
        present[present] = self.rows[places[present]] == rows[present]
        if present.any():
            features[present] = self._inner.reconstruct_batch(places[present])
        return View(features, present)

    def without(self, live: Bools) -> "VectorIndex":
        """Leave out the rows that aren't live; this index stays as it is."""
        if not isinstance(self._inner, faiss.IndexFlat):
            return VectorIndex(self._index, live)
        # a filter would keep FAISS from its fast exact search of batches, so copy what stays
        kept = self.rows[live[self.rows]]
        return VectorIndex(fill(faiss.IndexFlatIP(self._index.d), dense(self.vectors(kept)), kept))

    def _wider(self) -> Any:
        """Search as much wider as more is fetched, so that the recall stays."""
        if isinstance(self._inner, faiss.IndexIVF):
            nprobe = min(_OVERFETCH * self._inner.nprobe, self._inner.nlist)
            return faiss.SearchParametersIVF(nprobe=nprobe)
        return faiss.SearchParametersHNSW(efSearch=_OVERFETCH * self._inner.hnsw.efSearch)


def fill(inner: Any, vectors: Floats, rows: Ints) -> Any:
    """Put vectors into an empty FAISS index, each under its row, ascending."""
    index = faiss.IndexIDMap(inner)
    index.add_with_ids(vectors, rows)
    return index


def write_index(index: Any, path: Path) -> None:
    """Write to a file of our own, because FAISS's misses that a disk is full at the very end."""
    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write, _BUFFER))


def read_index(path: Path, expected: FileEntry) -> VectorIndex:
    """Verify a file, then read it.

    Raises FileNotFoundError if it is gone, IndexChangedError if it isn't what was written.
    """
    with path.open("rb") as file:
        verify(file, path, expected)
        return VectorIndex(faiss.read_index(faiss.PyCallbackIOReader(file.read, _BUFFER)))


def prefer_blas(n_queries: int) -> None:
    """Let exact search multiply matrices from a few queries on.

    FAISS's own threshold leaves batches up to hundreds of queries at a ninth of the speed. Its unit
    changed between versions, so it is set to one side or the other rather than to a number.
    """
    faiss.cvar.distance_compute_blas_threshold = 1 if n_queries >= _SMALL_BATCH else 2**31 - 1
