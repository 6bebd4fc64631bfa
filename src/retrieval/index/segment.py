"""A batch of listings on disk: records in SQLite, one FAISS index a space, written once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...core.arrays import Bools, Ints
from .faiss_build import build_index, choose_kind
from .further import n_further, owners
from .manifest import SegmentEntry, SpaceEntry, WantedKind, file_entry
from .records import RecordFile, write_records
from .rows import IndexRows
from .vector_index import VectorIndex, read_index, write_index

_RECORDS = "records.sqlite"


def write_segment(folder: Path, number: int, batch: IndexRows, kind: WantedKind) -> SegmentEntry:
    """Write a batch to new files; they count once a manifest names them."""
    files, spaces = {}, {}
    name = _file_name(number, _RECORDS)
    write_records(folder / name, batch.records)
    files[name] = file_entry(folder / name)
    for space, view in batch.views.items():
        n_vectors = int(view.present.sum())
        built = build_index(view, choose_kind(kind, n_vectors))
        name = _file_name(number, f"{space}.faiss")
        write_index(built.index, folder / name)
        files[name] = file_entry(folder / name)
        spaces[space] = SpaceEntry(
            kind=built.kind, n_vectors=n_vectors, recall_at_10=built.recall_at_10
        )
    return SegmentEntry(
        number=number,
        n_rows=len(batch.records),
        n_further=n_further([record.listing_id for record in batch.records]),
        spaces=spaces,
        files=files,
    )


@dataclass(frozen=True)
class Segment:
    """A written batch, open for reading."""

    entry: SegmentEntry
    records: RecordFile
    indexes: Mapping[str, VectorIndex]

    @cached_property
    def live(self) -> Bools:
        """By row: False for those removed since."""
        live = np.ones(self.entry.n_rows, dtype=bool)
        live[list(self.entry.removed)] = False
        return live

    @cached_property
    def owners(self) -> Ints:
        """By row: the row of the listing that it is a photo of, mostly its own."""
        return owners(self.records.ids()) if self.entry.n_further else np.arange(self.entry.n_rows)

    def precedes(self, entry: SegmentEntry) -> bool:
        """Tell whether `entry` is this segment, now or with more rows removed."""
        return entry.files == self.entry.files and {*entry.removed} >= {*self.entry.removed}

    def advance(self, entry: SegmentEntry) -> "Segment":
        """Leave out the rows that have been removed since; nothing is read again."""
        if entry == self.entry:
            return self
        newer = Segment(entry, self.records, {})
        indexes = {space: index.without(newer.live) for space, index in self.indexes.items()}
        return Segment(entry, self.records, indexes)

    def batch(self) -> IndexRows:
        """Read everything that is live."""
        rows = np.flatnonzero(self.live)
        records = self.records.read(rows.tolist())
        return IndexRows(
            [records[row] for row in rows.tolist()],
            {space: index.vectors(rows) for space, index in self.indexes.items()},
        )


def open_segment(folder: Path, entry: SegmentEntry) -> Segment:
    """Verify and open a segment's files.

    Raises FileNotFoundError if one is gone, IndexChangedError if one isn't what was written.
    """
    name = _file_name(entry.number, _RECORDS)
    records = RecordFile(folder / name, entry.files[name])
    indexes = {}
    for space in entry.spaces:
        name = _file_name(entry.number, f"{space}.faiss")
        indexes[space] = read_index(folder / name, entry.files[name])
    whole = entry.model_copy(update={"removed": ()})
    return Segment(whole, records, indexes).advance(entry)


def _file_name(number: int, rest: str) -> str:
    return f"{number:08d}.{rest}"
