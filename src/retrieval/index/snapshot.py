"""An index as it was at one moment, open for reading whatever a writer does next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...catalog.listing import MAX_PHOTOS
from ...core.arrays import Bools, Floats, Ints
from ...core.errors import IndexChangedError, IndexIncompleteError
from ...fusion.views import View, Views, n_rows
from .further import PHOTO, known_similarities, once_a_listing
from .info import IndexInfo, SpaceInfo
from .manifest import Manifest, missing, read_manifest
from .records import Record
from .rows import dense
from .segment import Segment, open_segment


class Hits(NamedTuple):
    """What each query found, best first; both of shape ``(n_queries, k)``.

    Similarities are cosines, ``-inf`` where there are no more; rows are -1 there.
    """

    similarities: Floats
    rows: Ints


@dataclass(frozen=True)
class Snapshot:
    """A manifest with its segments. A row here is a segment's row, counted through all segments."""

    manifest: Manifest
    segments: tuple[Segment, ...]

    @cached_property
    def offsets(self) -> list[int]:
        """First row of each segment, and the end."""
        return list(accumulate((s.entry.n_rows for s in self.segments), initial=0))

    @cached_property
    def live(self) -> Bools:
        return np.concatenate([np.zeros(0, bool), *(segment.live for segment in self.segments)])

    @cached_property
    def owners(self) -> Ints:
        """By row: the row of the listing that it is a photo of, mostly its own."""
        own = [s.owners + offset for s, offset in zip(self.segments, self.offsets, strict=False)]
        return np.concatenate([np.zeros(0, np.int64), *own])

    @cached_property
    def is_further(self) -> Bools:
        """By row: it is a further photo of a listing."""
        return np.asarray(self.owners != np.arange(len(self.owners)))

    @property
    def has_further(self) -> bool:
        return any(entry.n_further for entry in self.manifest.segments)

    def info(self, folder: Path) -> IndexInfo:
        """Count what is live."""
        entries = self.manifest.segments
        spaces = {}
        for space, dim in self.manifest.dims.items():
            there = [segment.live[segment.indexes[space].rows].sum() for segment in self.segments]
            spaces[space] = SpaceInfo(
                dim=dim,
                n_vectors=int(sum(there)),
                kinds=tuple(sorted({entry.spaces[space].kind for entry in entries})),
                recall_at_10=min((e.spaces[space].recall_at_10 for e in entries), default=1.0),
            )
        return IndexInfo(
            folder=folder,
            n_listings=int((self.live & ~self.is_further).sum()),
            n_bytes=sum(file.n_bytes for entry in entries for file in entry.files.values()),
            n_segments=len(entries),
            generation=self.manifest.generation,
            kind=self.manifest.kind,
            spaces=spaces,
            fingerprints=self.manifest.fingerprints,
            n_removed=int((~self.live & ~self.is_further).sum()),
        )

    def ids(self) -> list[str]:
        """Ids of the live listings, in the order of rows."""
        every = (key for segment in self.segments for key in segment.records.ids())
        own = (self.live & ~self.is_further).tolist()
        return [key for key, there in zip(every, own, strict=True) if there]

    def row_ids(self, ids: Iterable[str]) -> list[str]:
        """Add to ids of listings those of their further photos' rows."""
        ids = list(ids)
        if not self.has_further:
            return ids
        rows = self.photo_rows(np.fromiter(self.locate(ids).values(), dtype=np.int64))
        further = self.records(rows[self.is_further[rows]].tolist()).values()
        return [*ids, *(record.listing_id for record in further)]

    def photo_rows(self, rows: Ints) -> Ints:
        """Add to rows of listings those of their further photos."""
        if not self.has_further:
            return rows
        return np.flatnonzero(np.isin(self.owners, rows) & self.live).astype(np.int64)

    def locate(self, ids: Iterable[str]) -> dict[str, int]:
        """Find the rows of ids; one that isn't here isn't in the answer."""
        ids = list(ids)
        found = {}
        for segment, offset in zip(self.segments, self.offsets, strict=False):
            rows = segment.records.rows_of(ids)
            found.update({key: offset + row for key, row in rows.items() if segment.live[row]})
        return found

    def without(self, rows: Iterable[int]) -> list[Segment]:
        """Segments as they are once some rows are removed."""
        gone = np.fromiter(rows, dtype=np.int64)
        removed = {
            segment.entry.number: segment.advance(
                segment.entry.without((gone[own] - offset).tolist())
            )
            for segment, offset, own in self._by_segment(gone)
        }
        return [removed.get(segment.entry.number, segment) for segment in self.segments]

    def records(self, rows: Iterable[int]) -> dict[int, Record]:
        wanted = np.unique(np.fromiter(rows, dtype=np.int64))
        found: dict[int, Record] = {}
        for segment, offset, own in self._by_segment(wanted):
            records = segment.records.read((wanted[own] - offset).tolist())
            found.update({offset + row: record for row, record in records.items()})
        return found

    def vectors(self, space: str, rows: Ints) -> View:
        """Give back what stands at some rows; a row of -1, or without a vector, isn't present."""
        features = np.zeros((len(rows), self.manifest.dims[space]), dtype=np.float32)
        present = np.zeros(len(rows), dtype=bool)
        for segment, offset, own in self._by_segment(rows):
            part = segment.indexes[space].vectors(rows[own] - offset)
            features[own], present[own] = dense(part), part.present
        return View(features, present)

    def nearest(self, queries: Views, k: int) -> tuple[Hits, dict[str, Hits]]:
        """Find the rows with the largest mean of the cosines that are there; search a space once.

        With one space this is what FAISS finds. With more, each space proposes ``100 + 10 k`` rows,
        and the best of them all by the mean are kept: a row has to be near in one of the spaces.
        The nearest in each space alone come second.
        """
        require_neighbours(k)
        if len(queries) == 1:
            ((space, view),) = queries.items()
            only = self.nearest_listings(space, view, k)
            return only, {space: only}
        proposed = {
            space: self.nearest_listings(space, view, 100 + 10 * k)
            for space, view in queries.items()
        }
        similarities = np.full((n_rows(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((n_rows(queries), k), -1, dtype=np.int64)
        everywhere = np.concatenate([hits.rows for hits in proposed.values()], axis=1)
        for query, candidates in enumerate(everywhere):
            candidates = np.unique(candidates[candidates >= 0])
            means = self._mean_cosines(queries, query, candidates, proposed)
            best = np.argsort(-means, kind="stable")[:k]
            similarities[query, : len(best)] = means[best]
            rows[query, : len(best)] = candidates[best]
        each = {
            space: Hits(hits.similarities[:, :k], hits.rows[:, :k])
            for space, hits in proposed.items()
        }
        return Hits(similarities, rows), each

    def nearest_listings(self, space: str, view: View, k: int) -> Hits:
        """Search a space; a listing is as near as the nearest of its photos, and comes once."""
        if not self.has_further or space != PHOTO:
            return self.nearest_in(space, view, k)
        found = self.nearest_in(space, view, min(MAX_PHOTOS * k, self.offsets[-1]))
        return Hits(*once_a_listing(found.similarities, found.rows, self.owners, k))

    def nearest_in(self, space: str, view: View, k: int) -> Hits:
        """Search every segment, keep the best; a query that isn't present finds nothing."""
        n = len(view.present)
        similarities = [np.full((n, k), -np.inf, dtype=np.float32)]
        rows = [np.full((n, k), -1, dtype=np.int64)]
        asked = dense(view)[view.present]
        for segment, offset in zip(self.segments, self.offsets, strict=False):
            if len(segment.indexes[space].rows) == 0 or len(asked) == 0:
                continue
            found_similarities, found = segment.indexes[space].search(asked, k)
            similarities.append(np.full((n, k), -np.inf, dtype=np.float32))
            rows.append(np.full((n, k), -1, dtype=np.int64))
            similarities[-1][view.present] = found_similarities
            rows[-1][view.present] = np.where(found < 0, -1, found + offset)
        if len(rows) == 2:
            return Hits(similarities[1], rows[1])
        every, every_row = np.concatenate(similarities, axis=1), np.concatenate(rows, axis=1)
        best = np.argsort(-every, axis=1, kind="stable")[:, :k]
        return Hits(
            np.take_along_axis(every, best, axis=1), np.take_along_axis(every_row, best, axis=1)
        )

    def _mean_cosines(
        self, queries: Views, query: int, rows: Ints, proposed: Mapping[str, Hits]
    ) -> Floats:
        total, count = np.zeros(len(rows), dtype=np.float32), np.zeros(len(rows), dtype=np.float32)
        for space, view in queries.items():
            if view.present[query]:
                stored = self.vectors(space, rows)
                cosines = np.clip(dense(stored) @ dense(view)[query], -1, 1)
                if self.has_further and space == PHOTO:  # another photo may be nearer
                    found = (part[query] for part in proposed[space])
                    cosines = np.maximum(cosines, known_similarities(rows, *found))
                total += cosines
                count += stored.present
        return total / count  # each row was proposed by a space, so it has one in common

    def _by_segment(self, rows: Ints) -> Iterator[tuple[Segment, int, Bools]]:
        """Split rows by segment: the segment, its offset, and which rows are its own."""
        for number, segment in enumerate(self.segments):
            own = (rows >= self.offsets[number]) & (rows < self.offsets[number + 1])
            if own.any():
                yield segment, self.offsets[number], own


def open_snapshot(folder: Path, known: Snapshot | None = None) -> Snapshot:
    """Open the newest state; segments that `known` has open aren't read again.

    Raises
    ------
    IndexIncompleteError, IndexChangedError, IndexFormatError
        If the index can't be used.
    """
    manifest = read_manifest(folder)
    if known and manifest == known.manifest:
        return known
    opened = known.segments if known else ()
    while True:
        try:
            return open_state(folder, manifest, opened)
        except IndexIncompleteError:
            # a writer may have replaced the files since the manifest was read
            newer = read_manifest(folder)
            if newer.generation == manifest.generation:
                raise
            manifest = newer


def open_state(folder: Path, manifest: Manifest, opened: Sequence[Segment] = ()) -> Snapshot:
    """Open what a manifest names, apart from segments that are open.

    Raises
    ------
    IndexIncompleteError, IndexChangedError
        If a file isn't there, or isn't what was written.
    """
    segments = []
    try:
        for entry in manifest.segments:
            same = next((segment for segment in opened if segment.precedes(entry)), None)
            segments.append(same.advance(entry) if same else open_segment(folder, entry))
    except FileNotFoundError as error:
        raise missing(error.filename or str(error)) from error
    except OSError as error:
        raise IndexChangedError(
            f"Every part of the index {folder} must be a readable file, but: {error}. Restore it "
            "from a copy, or build it anew with: shelfsure index build"
        ) from error
    return Snapshot(manifest, tuple(segments))


def require_neighbours(k: int) -> None:
    if k < 1:
        raise ValueError(f"The number of neighbours must be 1 or more, got {k}.")
