"""What FAISS can't hold of a listing, in one SQLite file that is written once."""

import io
import sqlite3
import weakref
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from ...catalog.listing import Listing
from .manifest import FileEntry, verify


@dataclass(frozen=True, slots=True)
class Record:
    """A listing in the index, without its vectors; what it lacks is None.

    `image` is the photo's path, None too if it was given as bytes; `photo_hash` the sha256 of its
    bytes.
    """

    listing_id: str
    title: str | None = None
    image: str | None = None
    category: str | None = None
    photo_hash: str | None = None


def records_of(listings: Sequence[Listing], photo_hashes: Sequence[str | None]) -> list[Record]:
    """Keep of listings what the index shows of them."""
    return [
        Record(
            listing.listing_id,
            listing.title,
            None if isinstance(listing.image, bytes | None) else str(listing.image),
            listing.category,
            photo_hash,
        )
        for listing, photo_hash in zip(listings, photo_hashes, strict=True)
    ]


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records; a record's place is its row."""
    with closing(sqlite3.connect(path)) as db:
        # nobody knows of this file before the manifest names it, so it needs no journal of its own
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute(
            "CREATE TABLE records (row INTEGER PRIMARY KEY, listing_id TEXT NOT NULL UNIQUE,"
            " title TEXT, image TEXT, category TEXT, photo_hash TEXT)"
        )
        with db:
            db.executemany(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)",
                ((row, *astuple(record)) for row, record in enumerate(records)),
            )


class RecordFile:
    """Records to read; stays readable after a writer has removed the file.

    Raises FileNotFoundError if it is gone, IndexChangedError if it isn't what was written.
    """

    def __init__(self, path: Path, expected: FileEntry) -> None:
        with path.open("rb") as file:
            # immutable: no lock, no journal, and a read-only folder will do
            uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
            try:
                self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
            except sqlite3.OperationalError as error:
                raise FileNotFoundError(path) from error
            weakref.finalize(self, self._db.close)
            verify(file, path, expected)
        # another folder may have taken the place in between: what SQLite has open counts
        verify(io.BytesIO(self._db.serialize()), path, expected)

    def ids(self) -> list[str]:
        return [key for (key,) in self._db.execute("SELECT listing_id FROM records ORDER BY row")]

    def rows_of(self, ids: Iterable[str]) -> dict[str, int]:
        """Find rows; an id that isn't here isn't in the answer."""
        find = "SELECT row FROM records WHERE listing_id = ?"
        return {key: row for key in ids for (row,) in self._db.execute(find, (key,))}

    def read(self, rows: Iterable[int]) -> dict[int, Record]:
        """Read the records of some rows."""
        find = "SELECT listing_id, title, image, category, photo_hash FROM records WHERE row = ?"
        return {row: Record(*found) for row in rows for found in self._db.execute(find, (row,))}
