"""The listing index: find the listings most like a photo, a title, or both, in a folder on disk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ...core.errors import IndexChangedError, IndexIncompleteError
from ...core.files import require_free_folder
from ...fusion.views import Views
from .change import INDEX, sweep, write_change, writer_lock
from .info import IndexInfo
from .manifest import (
    Manifest,
    WantedKind,
    check_fingerprints,
    copy_file,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from .records import Record
from .rows import IndexRows, check_spaces, check_views, complete, concatenate
from .snapshot import Hits, Snapshot, open_snapshot, open_state


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A listing in the index that resembles a query; `similarity` is a cosine, 1 = the same."""

    listing_id: str
    similarity: float
    title: str | None
    image: str | None
    category: str | None


class ListingIndex:
    """Listings by photo and title vectors, in one folder that survives any crash.

    Reading needs no lock and sees one state until `refresh`, or a change through this object.
    Each change is in the folder wholly or not at all. Get one from `build` or `open`.
    """

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self.folder = folder
        self._snapshot = snapshot

    @classmethod
    def build(
        cls,
        folder: str | Path,
        records: Sequence[Record],
        views: Views,
        fingerprints: Mapping[str, str],
        kind: WantedKind = "auto",
    ) -> Self:
        """Make an index, or replace the one that is there.

        Parameters
        ----------
        records
            The listings; each needs an id of its own.
        views
            Space (``"photo"``, ``"title"``) -> unit vectors, one row a record; either may be
            missing. The spaces and their widths stay the index's for good.
        fingerprints
            Space -> its encoder's fingerprint.
        kind
            ``exact``, ``hnsw``, ``ivf``, or ``auto``: exact below 50,000 vectors. An approximate
            one searches as wide as it takes to find .98 of the true ten nearest; `info` tells.

        Raises
        ------
        ValueError
            If records and vectors don't match, or a vector isn't of unit length.
        ListingIndexError
            If the folder holds something else than an index.
        IndexLockedError
            If another writer is at work.
        """
        folder, batch = Path(folder), IndexRows(records, views)
        require_free_folder(folder, INDEX, replace=True)
        with writer_lock(folder):
            try:
                old = read_manifest(folder)
            except (IndexIncompleteError, IndexChangedError):
                old = None
            empty = Manifest(
                generation=old.generation if old else 0,
                kind=kind,
                dims={space: int(view.features.shape[1]) for space, view in views.items()},
                fingerprints=dict(fingerprints),
                segments=(),
            )
            return cls(folder, write_change(folder, Snapshot(empty, ()), new=batch))

    @classmethod
    def open(
        cls,
        folder: str | Path,
        fingerprints: Mapping[str, str] | None = None,
        *,
        manifest: bytes | None = None,
    ) -> Self:
        """Open an index after checking every file's hash.

        Parameters
        ----------
        fingerprints
            Space -> fingerprint of the encoder in use; None if none is.
        manifest
            The state to open, as the content of its manifest file; None: what is there now.

        Raises
        ------
        IndexIncompleteError, IndexChangedError, IndexFormatError, IndexFingerprintError
            If it can't be used.
        """
        folder = Path(folder)
        if manifest is None:
            snapshot = open_snapshot(folder)
        else:
            snapshot = open_state(folder, parse_manifest(manifest, folder))
        check_fingerprints(folder, snapshot.manifest.fingerprints, fingerprints or {})
        return cls(folder, snapshot)

    def refresh(self) -> None:
        """See what other writers have changed since; what is unchanged isn't read again.

        Raises
        ------
        IndexFingerprintError
            If somebody has built it anew with other encoders; then this object stays as it was.
        """
        newer = open_snapshot(self.folder, self._snapshot)
        known = self._snapshot.manifest.fingerprints
        check_fingerprints(self.folder, newer.manifest.fingerprints, known)
        self._snapshot = newer

    def add(self, records: Sequence[Record], views: Views) -> None:
        """Add listings; one whose id is there already is replaced, record and vectors.

        Parameters
        ----------
        views
            As for `build`; a space left out means that none of these listings has a vector there.

        Raises
        ------
        ValueError
            If something doesn't fit the index, or a vector isn't of unit length.
        IndexLockedError
            If another writer is at work.
        """
        given = IndexRows(records, views)
        ids = [record.listing_id for record in records]
        with self._writing() as snapshot:
            batch = complete(given, snapshot.manifest.dims)
            self._snapshot = write_change(self.folder, snapshot, snapshot.row_ids(ids), batch)

    def remove(self, ids: Iterable[str]) -> int:
        """Remove listings; returns how many of them were there."""
        with self._writing() as snapshot:
            if found := list(snapshot.locate(ids)):
                self._snapshot = write_change(self.folder, snapshot, snapshot.row_ids(found))
            return len(found)

    def merge(self, other: "ListingIndex") -> None:
        """Add all listings of another index with the same encoders; its own win over equal ids.

        Raises
        ------
        IndexFingerprintError
            If the other was built with other encoders.
        """
        theirs = other._snapshot.manifest.fingerprints
        check_fingerprints(self.folder, self._snapshot.manifest.fingerprints, theirs)
        if (batch := other.contents()).records:
            self.add(batch.records, batch.views)

    def copy(self, folder: Path) -> None:
        """Write the state that this object sees to a new folder.

        Raises
        ------
        IndexIncompleteError, IndexChangedError
            If its files aren't there any more.
        """
        manifest = self._snapshot.manifest
        folder.mkdir(parents=True)
        for segment in manifest.segments:
            for name, entry in segment.files.items():
                copy_file(self.folder / name, folder / name, entry)
        write_manifest(folder, manifest)

    def contents(self) -> IndexRows:
        """Read every listing with its vectors into memory, further photos as rows, too."""
        batches = [segment.batch() for segment in self._snapshot.segments]
        return concatenate(batches) if batches else IndexRows([], {})

    def rebuild(self, kind: WantedKind | None = None) -> None:
        """Write the index anew as one segment, of another kind if wished."""
        with self._writing() as snapshot:
            wished = kind or snapshot.manifest.kind
            manifest = snapshot.manifest.model_copy(update={"kind": wished})
            wished_snapshot = Snapshot(manifest, snapshot.segments)
            self._snapshot = write_change(self.folder, wished_snapshot, fold_all=True)

    def take(self, ids: Iterable[str], *, all_photos: bool = False) -> IndexRows:
        """Read some listings with their vectors, and `all_photos`; an unknown id is left out."""
        own = np.fromiter(self._snapshot.locate(ids).values(), dtype=np.int64)
        rows = self._snapshot.photo_rows(own) if all_photos else own
        records = self._snapshot.records(rows.tolist())
        return IndexRows(
            [records[row] for row in rows.tolist()],
            {space: self._snapshot.vectors(space, rows) for space in self._snapshot.manifest.dims},
        )

    def search(self, queries: Views, k: int = 10) -> list[list[Neighbour]]:
        """Find the `k` nearest listings of each query.

        Parameters
        ----------
        queries
            Space -> unit vectors, one row a query. With both photo and title, nearness is the mean
            of the cosines that query and listing have in common.

        Returns
        -------
        list of list of Neighbour
            For each query nearest first; shorter where the index holds fewer, and empty where the
            query has no vector.

        Raises
        ------
        ValueError
            If a space is unknown, a vector has another width or isn't of unit length.
        """
        return self.search_spaces(queries, k)[0]

    def search_spaces(
        self, queries: Views, k: int = 10
    ) -> tuple[list[list[Neighbour]], dict[str, list[list[Neighbour]]]]:
        """Find the nearest as `search` does, and those in each space alone, by one search each.

        Returns
        -------
        list of list of Neighbour
            As `search`.
        dict
            Space -> likewise, by that space's cosine.
        """
        snapshot = self._snapshot
        check_views(queries)
        check_spaces(snapshot.manifest.dims, queries)
        k = min(k, max(1, snapshot.offsets[-1]))  # no memory for answers that can't be
        every, each = snapshot.nearest(queries, k)
        wanted = np.concatenate([hits.rows.ravel() for hits in (every, *each.values())])
        records = snapshot.records(wanted[wanted >= 0].tolist())
        return _neighbours(every, records), {
            space: _neighbours(hits, records) for space, hits in each.items()
        }

    def ids(self) -> list[str]:
        """Every listing's id."""
        return self._snapshot.ids()

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Look listings up; an id that isn't here isn't in the answer."""
        rows = self._snapshot.locate(ids)
        records = self._snapshot.records(rows.values())
        return {key: records[row] for key, row in rows.items()}

    def info(self) -> IndexInfo:
        """Tell what the index holds."""
        return self._snapshot.info(self.folder)

    @contextmanager
    def _writing(self) -> Iterator[Snapshot]:
        """Hold the lock, on the newest state, with what a killed writer left cleared away."""
        with writer_lock(self.folder):
            self.refresh()
            sweep(self.folder, self._snapshot.manifest.file_names)
            yield self._snapshot


def _neighbours(hits: Hits, records: Mapping[int, Record]) -> list[list[Neighbour]]:
    return [
        [
            Neighbour(found.listing_id, similarity, found.title, found.image, found.category)
            for row, similarity in zip(rows, similarities, strict=True)
            if row >= 0 and (found := records[row])
        ]
        for rows, similarities in zip(hits.rows.tolist(), hits.similarities.tolist(), strict=True)
    ]
