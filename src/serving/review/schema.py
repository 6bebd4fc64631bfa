"""The review store's SQLite file: its tables, and how it is opened."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .records import ReviewError, ReviewsFormatError

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE items (
    item_id INTEGER PRIMARY KEY AUTOINCREMENT,
    content TEXT NOT NULL UNIQUE,
    listing_id TEXT NOT NULL,
    title TEXT,
    description TEXT,
    brand TEXT,
    category TEXT,
    photo TEXT,
    photo_file TEXT,
    n_bytes INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    unsure REAL NOT NULL,
    vector BLOB,
    added_at TEXT NOT NULL
);
CREATE TABLE answers (
    answer_id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL REFERENCES items,
    kind TEXT NOT NULL,
    category TEXT,
    who TEXT NOT NULL,
    at TEXT NOT NULL,
    verdict TEXT NOT NULL
);
CREATE TABLE withdrawals (
    answer_id INTEGER PRIMARY KEY REFERENCES answers,
    at TEXT NOT NULL
);
CREATE INDEX answers_of_items ON answers (item_id);
CREATE VIEW standing AS
    SELECT * FROM answers WHERE answer_id NOT IN (SELECT answer_id FROM withdrawals);
CREATE VIEW final AS
    SELECT * FROM standing WHERE answer_id IN
        (SELECT MAX(answer_id) FROM standing WHERE kind != 'skip' GROUP BY item_id);
CREATE VIEW pending AS
    SELECT items.*,
        (SELECT MAX(answer_id) FROM standing WHERE item_id = items.item_id) AS skipped
    FROM items WHERE item_id NOT IN (SELECT item_id FROM standing WHERE kind != 'skip');
"""


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the store, making it if needed; commit on success, roll back on an error, close.

    Raises
    ------
    ReviewsFormatError
        If a newer Shelfsure wrote it.
    ReviewError
        If it can't be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # IMMEDIATE: a writer waits its turn before it reads, so that two can't block each other
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN IMMEDIATE")
            try:
                _prepare(db, path)
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise ReviewError(
            f"The review store {path} must be a readable and writable SQLite file, but: {error}. "
            "Restore it, or set SHELFSURE_REVIEWS to another file."
        ) from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise ReviewsFormatError(
            f"The review store {path} has format version {version}, but this Shelfsure reads up "
            f"to {SCHEMA_VERSION}. Upgrade Shelfsure: pip install --upgrade shelfsure"
        )
    if version == 0:
        for statement in filter(str.strip, _TABLES.split(";\n")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
