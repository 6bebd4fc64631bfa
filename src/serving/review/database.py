"""The review store's SQLite file: opened; listings and verdicts in, items and answers out."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...catalog.listing import Listing
from ...core.arrays import Floats
from ...core.config import problem_lines
from ...pipeline.verdict import Verdict
from .active_learning import WIDTH, is_strange, query_order, uncertainty, verdict_vector
from .records import (
    Answer,
    ReviewError,
    ReviewItem,
    ReviewsFileError,
    ReviewsFormatError,
    printable,
)

SCHEMA_VERSION = 1
_ADDED = {
    "leases": "item_id INTEGER PRIMARY KEY REFERENCES items, holder TEXT NOT NULL,"
    " until REAL NOT NULL",
    "together": "answer_id INTEGER PRIMARY KEY REFERENCES answers, first_id INTEGER NOT NULL",
}
"""Tables that stores made before lack, and that who made those does without."""
N_RANKED = 1_000
"""Of the pending items, the least sure ones that are looked at for diversity, too."""
N_REMEMBERED = 200
"""Of the answered items, the last ones that new ones should differ from."""


@contextmanager
def connect(path: Path, *, make: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the store, making it if needed; commit on success, roll back on an error, close.

    Parameters
    ----------
    make
        False, for those who only read: where there is none they find an empty one, and none is
        made.

    Raises
    ------
    ReviewsFileError
        If it can't be read or written; ReviewsFormatError if a newer Shelfsure wrote it.
    """
    try:
        place = path if make or path.exists() else ":memory:"
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
        # IMMEDIATE: a writer waits its turn before it reads, so that two can't block each other
        with closing(sqlite3.connect(place, timeout=60, isolation_level=None)) as db:
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
    except ValidationError as error:
        raise ReviewError(
            f"The review store {path} must hold verdicts, but one can't be read: "
            f"{problem_lines(error)[0]}. Restore it, or set SHELFSURE_REVIEWS to another file."
        ) from error
    except (sqlite3.Error, OSError) as error:
        raise ReviewsFileError(
            f"The review store {path} must be a readable and writable SQLite file, but: {error}. "
            "Make room or restore it, or set SHELFSURE_REVIEWS to another file."
        ) from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise ReviewsFormatError(
            f"The review store {path} has format version {version}, but this Shelfsure reads up "
            f"to {SCHEMA_VERSION}. Upgrade Shelfsure: pip install --upgrade shelfsure"
        )
    if version == 0:
        tables = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        for statement in tables.split(";\n"):  # not `executescript`, which would commit
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for name, columns in _ADDED.items():
        db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")


def listing_values(listing: Listing, data: bytes | None) -> dict[str, Any]:
    """Give the columns that say what was uploaded; ``content`` is equal for equal uploads."""
    prose = {name: printable(getattr(listing, name)) for name in ("title", "description", "brand")}
    digest = hashlib.sha256(data).hexdigest() if data else None
    content = json.dumps([*prose.values(), digest])
    return prose | {
        "content": hashlib.sha256(content.encode()).hexdigest(),
        "listing_id": printable(listing.listing_id, prose=False) or "",
        "category": printable(listing.category, prose=False),
        "photo": digest,
        "n_bytes": len(data or b""),
    }


def verdict_values(verdict: Verdict) -> dict[str, Any]:
    """Give the columns that a new verdict on the same listing changes."""
    top = np.array([[guess.probability for guess in verdict.top_k] or [0.0]])
    return {
        "verdict": verdict.model_dump_json(),
        "unsure": float(uncertainty(top, np.array([is_strange(verdict)]))[0]),
        "vector": verdict_vector(verdict).tobytes(),
    }


def read_items(db: sqlite3.Connection, ids: Iterable[int], photos: Path) -> list[ReviewItem]:
    """Read items in this order, those that aren't there left out."""
    items = []
    for item_id in ids:
        row = db.execute("SELECT * FROM items WHERE item_id = ?", (item_id,)).fetchone()
        answers = db.execute(
            "SELECT * FROM standing WHERE item_id = ? AND kind != 'skip' ORDER BY answer_id",
            (item_id,),
        ).fetchall()
        if row:
            items.append(_to_item(row, answers, photos))
    return items


def pending_ids(db: sqlite3.Connection, n: int, holder: str | None = None) -> list[int]:
    """Choose what to ask next, the most useful first; what was skipped comes last.

    What others look at is left out for a `holder`.
    """
    rows = db.execute(
        "SELECT item_id, unsure, vector, skipped FROM pending"
        " WHERE ? IS NULL OR item_id NOT IN"
        " (SELECT item_id FROM leases WHERE holder != ? AND until > ?)"
        " ORDER BY skipped, unsure DESC, item_id LIMIT ?",  # NULL, not skipped, is first
        (holder, holder, time.time(), N_RANKED),
    ).fetchall()
    answered = db.execute(
        "SELECT vector FROM final JOIN items USING (item_id) ORDER BY answer_id DESC LIMIT ?",
        (N_REMEMBERED,),
    ).fetchall()
    fresh = [row for row in rows if row["skipped"] is None]
    vectors = _stacked([row["vector"] for row in [*fresh, *answered]])
    unsure = np.array([row["unsure"] for row in fresh])
    order = query_order(unsure, vectors[: len(fresh)], vectors[len(fresh) :], n)
    ids = [fresh[place]["item_id"] for place in order]
    return [*ids, *(row["item_id"] for row in rows if row["skipped"] is not None)][:n]


def lease(db: sqlite3.Connection, item_id: int, holder: str, seconds: float) -> None:
    """Let a holder look at one item alone, and at no other; an older lease of others stays."""
    now = time.time()
    db.execute("DELETE FROM leases WHERE holder = ? OR until <= ?", (holder, now))
    db.execute("INSERT OR IGNORE INTO leases VALUES (?, ?, ?)", (item_id, holder, now + seconds))


def leased_id(db: sqlite3.Connection, holder: str) -> int | None:
    """Find the pending item that a holder looks at."""
    row = db.execute(
        "SELECT item_id FROM leases JOIN pending USING (item_id) WHERE holder = ? AND until > ?",
        (holder, time.time()),
    ).fetchone()
    return int(row["item_id"]) if row else None


def disputed_items(db: sqlite3.Connection, photos: Path) -> list[ReviewItem]:
    """Read the items whose reviewers disagree."""
    several = db.execute(
        "SELECT item_id FROM standing WHERE kind != 'skip' GROUP BY item_id"
        " HAVING COUNT(DISTINCT who) > 1"
    ).fetchall()
    items = read_items(db, [row["item_id"] for row in several], photos)
    return [item for item in items if item.disputed]


def to_answer(row: sqlite3.Row, *, withdrawn: bool = False) -> Answer:
    """Read an answer."""
    verdict = Verdict.model_validate_json(row["verdict"])
    return Answer(**dict(row) | {"verdict": verdict, "withdrawn": withdrawn})


def _stacked(blobs: Sequence[bytes]) -> Floats:
    """Stack what `verdict_vector` gave; a vector of another width becomes zeros."""
    vectors = np.zeros((len(blobs), WIDTH), dtype=np.float32)
    for row, blob in zip(vectors, blobs, strict=True):
        if len(blob) == row.nbytes:
            row[:] = np.frombuffer(blob, dtype=np.float32)
    return vectors


def _to_item(row: sqlite3.Row, answers: Sequence[sqlite3.Row], photos: Path) -> ReviewItem:
    last = {own["who"]: own for own in answers}
    texts = {name: row[name] for name in ("listing_id", "title", "description", "brand")}
    image = photos / row["photo_file"] if row["photo_file"] else None
    return ReviewItem(
        item_id=row["item_id"],
        listing=Listing(**texts, category=row["category"], image=image),
        verdict=Verdict.model_validate_json(row["verdict"]),
        photo_sha256=row["photo"],
        added_at=row["added_at"],
        answers=tuple(to_answer(own) for own in answers if last[own["who"]] is own),
    )
