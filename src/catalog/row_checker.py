"""Rows sorted into those that are listings and those that aren't, as they come."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .raw_rows import Row
from .rows import ReadRow, RowReader
from .values import RowError, as_text

N_QUOTED = 3
_RECENT = 1 << 16


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was set aside.

    Parameters
    ----------
    row
        The data row, from 1; the header and blank lines don't count.
    listing_id
        As far as it could be read; unprintable characters are escaped.
    reason
        The kind of defect, then, after a colon, its details.
    """

    row: int
    listing_id: str
    reason: str

    @property
    def kind(self) -> str:
        """What `RowTally.summary` counts."""
        return self.reason.partition(":")[0]


@dataclass
class RowTally:
    """How many rows were kept and rejected, and the first reasons."""

    n_kept: int = 0
    n_joined: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    first: list[RejectedRow] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """Rows, kept or rejected, or joined to one that is."""
        return self.n_kept + self.n_joined + self.kinds.total()

    def count(
        self, n_kept: int, rejected: Iterable[RejectedRow] = (), n_joined: int = 0
    ) -> "RowTally":
        """Count more rows, those `rejected` besides, and those that were joined to others."""
        self.n_kept += n_kept
        self.n_joined += n_joined
        for bad in rejected:
            self.kinds[bad.kind] += 1
            if len(self.first) < N_QUOTED:
                self.first.append(bad)
        return self

    def summary(self) -> str:
        """Count rows in one line: ``"1,047 rows: 1,040 kept, 7 rejected (3 duplicate id, …)"``."""
        n_rejected, kinds = self.kinds.total(), self.kinds.most_common()
        text = f"{self.n_rows:,} rows: {self.n_kept:,} kept, {n_rejected:,} rejected"
        if self.n_joined:
            text = text.replace(" kept,", f" kept, {self.n_joined:,} joined to the one before,")
        named = [f"{count:,} {kind}" for kind, count in kinds[:6]] + ["…"] * (len(kinds) > 6)
        return f"{text} ({', '.join(named)})" if named else text

    def first_reasons(self, n: int = N_QUOTED) -> str:
        """Quote the first rejected rows, for an error after which no file is written."""
        return " ".join(f"Row {bad.row}: {bad.reason}" for bad in self.first[:n])


@dataclass(frozen=True)
class CheckedRows:
    """Some rows: each is in one of the two.

    Parameters
    ----------
    kept
        Data row (from 1) -> its listing.
    rejected
        The others, by row.
    n_joined
        How many rows besides were joined to one of these.
    """

    kept: Mapping[int, ReadRow]
    rejected: Sequence[RejectedRow]
    n_joined: int = 0


class RowChecker:
    """Checks rows, some at a time; of listings with the same id the first good one stays."""

    def __init__(self, reader: RowReader) -> None:
        self.reader = reader
        self._seen = _SeenIds()

    def check(self, rows: Iterable[tuple[int, Row]]) -> CheckedRows:
        """Go on with these rows, each with its number; nothing is raised for a bad one."""
        kept: dict[int, ReadRow] = {}
        rejected = []
        for number, raw in rows:
            try:
                if raw.defect:
                    raise RowError(raw.defect)
                row = self.reader.read(raw.fields)
                if before := self._seen.row_or_add(row.listing.listing_id, number):
                    raise RowError(f"duplicate id: row {before} has it too")
            except RowError as error:
                listing_id = printable_id(raw.fields.get("listing_id"))
                rejected.append(RejectedRow(number, listing_id, str(error)))
            else:
                kept[number] = row
        return CheckedRows(kept, rejected)


class _SeenIds:
    """In which row each id was seen first: 16 bytes an id, however many there are.

    Older ids are known by a hash of 64 bits: of a million ids two have the same one with a
    probability of 3 in 100,000,000.
    """

    def __init__(self) -> None:
        self._recent: dict[str, int] = {}
        self._hashes = np.zeros(0, np.int64)
        self._rows = np.zeros(0, np.int64)

    def row_or_add(self, listing_id: str, row: int) -> int | None:
        """Give the row that has this id; if none has, note that this `row` does."""
        before = self._recent.get(listing_id) or self._older(listing_id)
        if before is None:
            self._recent[listing_id] = row
            if len(self._recent) >= _RECENT:
                self._pack()
        return before

    def _older(self, listing_id: str) -> int | None:
        if not len(self._hashes):
            return None
        own = hash(listing_id)
        place = int(self._hashes.searchsorted(own))
        found = place < len(self._hashes) and self._hashes[place] == own
        return int(self._rows[place]) if found else None

    def _pack(self) -> None:
        hashes = np.fromiter(map(hash, self._recent), np.int64, len(self._recent))
        rows = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        order = np.argsort(hashes)
        places = self._hashes.searchsorted(hashes[order])
        self._hashes = np.insert(self._hashes, places, hashes[order])
        self._rows = np.insert(self._rows, places, rows[order])
        self._recent.clear()


def printable_id(listing_id: object) -> str:
    """Write an id as a kept row's is written, as far as it can be read."""
    try:
        text = as_text("listing_id", listing_id) or ""
    except RowError:
        text = str(listing_id)
    return text if text.isprintable() else repr(text)[1:-1]
