"""Vectors of one space in FAISS: search them, give them back, write and read them."""

from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

from ...core.arrays import Bools, Floats, Ints
from ...fusion.views import View
from .manifest import FileEntry, verify
from .rows import dense

faiss: Any = faiss_module  # its own type stubs know only a part of it

_SMALL_BATCH = 3
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
        parameters = None if self._live is None else self._only(self._live)
        prefer_blas(len(queries))
        similarities, rows = self._index.search(queries, k, params=parameters)
        return np.where(rows < 0, -np.inf, np.clip(similarities, -1, 1)), rows

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

    def _only(self, live: Bools) -> Any:
        selector = faiss.IDSelectorBitmap(np.packbits(live, bitorder="little"))
        if isinstance(self._inner, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=selector, nprobe=self._inner.nprobe)
        return faiss.SearchParametersHNSW(sel=selector, efSearch=self._inner.hnsw.efSearch)


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
