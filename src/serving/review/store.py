"""The review queue: listings that a person should look at, and what was said of them.

One SQLite file, with the photos beside it under the names of their contents. It survives restarts
and kill -9, and any number of threads and processes may share it.
"""

import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

from ...catalog.listing import Listing
from ...pipeline.verdict import Verdict
from ...vision.load import photo_bytes
from .database import (
    connect,
    disputed_items,
    lease,
    leased_id,
    listing_values,
    pending_ids,
    read_items,
    to_answer,
    verdict_values,
)
from .export import Export, write_export
from .photos import keep_photo
from .records import (
    Answer,
    Kind,
    ReviewCounts,
    ReviewError,
    ReviewItem,
    ReviewsFullError,
    category_path,
    now,
    reviewer_name,
)

FILE_NAME = "reviews.sqlite"
LEASE_S = 600.0
"""So long nobody else gets the item that somebody looks at."""


def default_reviews_path() -> Path:
    """File of the queue: ``$SHELFSURE_REVIEWS``, else one in the system's place for user data."""
    from platformdirs import user_data_path

    return Path(os.environ.get("SHELFSURE_REVIEWS") or user_data_path("shelfsure") / FILE_NAME)


class ReviewStore:
    """Items to review, and their answers.

    Parameters
    ----------
    path
        The SQLite file, made if missing, or the folder that holds ``reviews.sqlite``; None:
        `default_reviews_path`. Photos lie beside it, in ``reviews-photos/``.
    max_pending
        A full queue refuses new items rather than dropping old ones: nothing that somebody flagged
        disappears unseen.
    max_bytes
        Bound on the size of all photos kept, those of answered items included.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        max_pending: int = 10_000,
        max_bytes: int = 5_000_000_000,
    ) -> None:
        path = Path(path or default_reviews_path())
        self.path = path / FILE_NAME if path.is_dir() else path
        self.photos = self.path.with_name(f"{self.path.stem}-photos")
        self.max_pending = max_pending
        self.max_bytes = max_bytes

    def add(self, listing: Listing, verdict: Verdict) -> int:
        """Queue a listing, and give its item's id.

        If its content is there already, only the verdict is brought up to date; an answered listing
        doesn't come back.

        Raises
        ------
        ReviewsFullError
            If too much waits already.
        PhotoError
            If its photo is no photo, or can't be read.
        ReviewError
            If it has neither photo nor title, or the store can't be used.
        """
        data = None if listing.image is None else photo_bytes(listing.image)
        values = listing_values(listing, data) | verdict_values(verdict)
        if data is None and values["title"] is None:
            raise ReviewError("A listing to review must have a photo or a title, but has none.")
        with connect(self.path) as db:
            known = db.execute(
                "UPDATE items SET verdict = :verdict, unsure = :unsure, vector = :vector"
                " WHERE content = :content RETURNING item_id",
                values,
            ).fetchone()
            if known:
                return int(known["item_id"])
            self._check_room(db, values["n_bytes"])
            photo_file = keep_photo(data, values["photo"], self.photos) if data else None
            values |= {"photo_file": photo_file, "added_at": now()}
            columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
            fresh = db.execute(f"INSERT INTO items ({columns}) VALUES ({marks})", values)  # noqa: S608
            return int(fresh.lastrowid or 0)

    def pending(self, limit: int = 50, holder: str | None = None) -> list[ReviewItem]:
        """List what waits, the most useful first; what was skipped comes last.

        See `query_order`: unsure ones first, unlike each other and what was answered lately. For a
        `holder` what others look at is left out.
        """
        with connect(self.path) as db:
            return read_items(db, pending_ids(db, limit, holder), self.photos)

    def take(self, holder: str, lease_s: float = LEASE_S) -> ReviewItem | None:
        """Give the item that a holder looks at, else the most useful one; nobody else gets it.

        Until it is answered, the holder opens another, or `lease_s` has passed. None if nothing
        waits that others don't look at.
        """
        with connect(self.path) as db:
            item_id = leased_id(db, holder) or next(iter(pending_ids(db, 1, holder)), None)
            if item_id is None:
                return None
            lease(db, item_id, holder, lease_s)
            return next(iter(read_items(db, [item_id], self.photos)), None)

    def open(self, item_id: int, holder: str, lease_s: float = LEASE_S) -> ReviewItem:
        """Give one item for a look, as `take` does, whether or not others look at it.

        Raises
        ------
        ReviewError
            If there is none of this id.
        """
        item = self.item(item_id)
        with connect(self.path) as db:
            lease(db, item_id, holder, lease_s)
        return item

    def held_by_others(self, holder: str) -> set[int]:
        """Give the items that others look at."""
        with connect(self.path) as db:
            rows = db.execute(
                "SELECT item_id FROM leases WHERE holder != ? AND until > ?", (holder, time.time())
            ).fetchall()
        return {row["item_id"] for row in rows}

    def release(self, holder: str) -> None:
        """Let others have what a holder looks at."""
        with connect(self.path) as db:
            db.execute("DELETE FROM leases WHERE holder = ?", (holder,))

    def disputed(self) -> list[ReviewItem]:
        """List the items whose reviewers disagree; they teach nothing until one gives in."""
        with connect(self.path) as db:
            return disputed_items(db, self.photos)

    def item(self, item_id: int) -> ReviewItem:
        """Look one item up; a ReviewError, if there is none of this id."""
        with connect(self.path) as db:
            items = read_items(db, [item_id], self.photos)
        if not items:
            raise ReviewError(_no_item(item_id))
        return items[0]

    def label(self, item_id: int, category: str, who: str) -> Answer:
        """Say which category an item belongs to; any path will do, also one that nobody trained.

        Raises
        ------
        ReviewError
            If the category or the name is blank or unprintable, or there is no such item.
        """
        return self._answer(item_id, "category", category_path(category), who)

    def answer(self, item_id: int, kind: Kind, who: str) -> Answer:
        """Say ``not_sold``, ``cant_tell`` or ``skip`` of an item; raises as `label` does."""
        if kind == "category":
            raise ValueError("a category must be named: call label(item_id, category, who).")
        return self._answer(item_id, kind, None, who)

    def undo(self, who: str) -> ReviewItem | None:
        """Withdraw somebody's last answer, with those given together with it.

        Returns
        -------
        ReviewItem or None
            The item as it stands then; None if there was no answer.
        """
        with connect(self.path) as db:
            last = db.execute(
                "SELECT answer_id, item_id FROM standing WHERE who = ?"
                " ORDER BY answer_id DESC LIMIT 1",
                (reviewer_name(who),),
            ).fetchone()
            if last is None:
                return None
            db.execute(
                "INSERT INTO withdrawals SELECT answer_id, ? FROM standing WHERE answer_id = ?"
                " OR answer_id IN (SELECT answer_id FROM together WHERE first_id ="
                " (SELECT first_id FROM together WHERE answer_id = ?))",
                (now(), last["answer_id"], last["answer_id"]),
            )
        return self.item(last["item_id"])

    def answered(self) -> list[ReviewItem]:
        """List the items that have an answer, in the order in which they came."""
        with connect(self.path) as db:
            rows = db.execute("SELECT item_id FROM final ORDER BY item_id").fetchall()
            return read_items(db, [row["item_id"] for row in rows], self.photos)

    def history(self) -> list[Answer]:
        """List every answer ever given, oldest first, withdrawn ones and skips included."""
        with connect(self.path) as db:
            rows = db.execute(
                "SELECT answers.*, answer_id IN (SELECT answer_id FROM withdrawals) AS withdrawn"
                " FROM answers ORDER BY answer_id"
            ).fetchall()
        return [to_answer(row, withdrawn=bool(row["withdrawn"])) for row in rows]

    def audits(self, version: str) -> list[Answer]:
        """List the standing answers to audits of one bundle's verdicts, in the order they came."""
        with connect(self.path, make=False) as db:
            rows = db.execute(
                "SELECT * FROM final WHERE json_extract(verdict, '$.audit') = 1"
                " AND json_extract(verdict, '$.model_version') = ? ORDER BY answer_id",
                (version,),
            ).fetchall()
        return [to_answer(row) for row in rows]

    def counts(self) -> ReviewCounts:
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        with connect(self.path) as db:
            n_pending, n_answered, n_today = db.execute(
                "SELECT (SELECT COUNT(*) FROM pending), COUNT(*), COALESCE(SUM(at >= ?), 0)"
                " FROM final",
                (midnight.astimezone(UTC).isoformat(timespec="milliseconds"),),
            ).fetchone()
            n_disputed = len(disputed_items(db, self.photos))
        return ReviewCounts(n_pending, n_answered, n_today, n_disputed)

    def export(self, folder: str | Path) -> Export:
        """Write what was answered as a catalogue for the next training; see `write_export`."""
        return write_export(self.answered(), self.history(), Path(folder))

    def _answer(self, item_id: int, kind: Kind, category: str | None, who: str) -> Answer:
        with connect(self.path) as db:
            row = db.execute(
                "INSERT INTO answers (item_id, kind, category, who, at, verdict)"
                " SELECT item_id, ?, ?, ?, ?, verdict FROM items WHERE item_id = ? RETURNING *",
                (kind, category, reviewer_name(who), now(), item_id),
            ).fetchone()
            db.execute("DELETE FROM leases WHERE item_id = ?", (item_id,))
        if row is None:
            raise ReviewError(_no_item(item_id))
        return to_answer(row)

    def _check_room(self, db: sqlite3.Connection, n_bytes: int) -> None:
        (n_pending,) = db.execute("SELECT COUNT(*) FROM pending").fetchone()
        if n_pending >= self.max_pending:
            raise ReviewsFullError(
                f"At most {self.max_pending:,} listings may wait for review, and {n_pending:,} do. "
                "Answer some first."
            )
        (kept,) = db.execute("SELECT COALESCE(SUM(n_bytes), 0) FROM items").fetchone()
        if kept + n_bytes > self.max_bytes:
            raise ReviewsFullError(
                f"The review store may keep {self.max_bytes:,} bytes of photos, and has {kept:,}. "
                "Export the answers (`shelfsure review export`) and begin a new store: set "
                "SHELFSURE_REVIEWS to another file."
            )


def _no_item(item_id: int) -> str:
    return f"There must be a review item {item_id}, but there is none. Look at the list again."
