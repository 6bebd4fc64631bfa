"""Many listings of one kind: found in the queue, answered at once, and undone at once."""

import time
from collections.abc import Collection
from typing import NamedTuple

from .database import connect, read_items
from .records import Kind, ReviewError, ReviewItem, category_path, now, reviewer_name
from .store import ReviewStore

MAX_TOGETHER = 500
"""Answers that one click may give."""
_ASKED = (
    " FROM pending WHERE (:category IS NULL OR json_extract(verdict, '$.category') = :category)"
    " AND (:words = '' OR instr(folded(title), folded(:words)) > 0) AND item_id NOT IN"
    " (SELECT item_id FROM leases WHERE holder != :holder AND until > :now)"
)


class Alike(NamedTuple):
    """Waiting items of a kind: some of them, and how many there are."""

    items: list[ReviewItem]
    n: int


def waiting_categories(reviews: ReviewStore) -> list[tuple[str, int]]:
    """Count what waits by the category that it seems to be of, the most first."""
    with connect(reviews.path) as db:
        rows = db.execute(
            "SELECT json_extract(verdict, '$.category') AS seems, COUNT(*) AS n FROM pending"
            " WHERE seems IS NOT NULL GROUP BY seems ORDER BY n DESC, seems"
        ).fetchall()
    return [(row["seems"], row["n"]) for row in rows]


def alike(
    reviews: ReviewStore,
    category: str | None,
    words: str,
    n: int,
    holder: str = "",
    *,
    first: int = 0,
) -> Alike:
    """Find waiting items that others don't look at; what the model is least sure of comes last.

    Parameters
    ----------
    category
        What they seem to be; None: anything.
    words
        What their titles contain, whatever its case; empty: anything.
    n, first
        At most so many items are read, after this many are passed over.
    """
    asked = {"category": category, "words": words.strip(), "holder": holder, "now": time.time()}
    with connect(reviews.path) as db:
        db.create_function("folded", 1, lambda text: (text or "").casefold(), deterministic=True)
        (n_all,) = db.execute(f"SELECT COUNT(*){_ASKED}", asked).fetchone()
        rows = db.execute(
            f"SELECT item_id{_ASKED} ORDER BY skipped, unsure, item_id LIMIT :n OFFSET :first",
            asked | {"n": n, "first": first},
        ).fetchall()
        return Alike(read_items(db, [row["item_id"] for row in rows], reviews.photos), n_all)


def answer_together(
    reviews: ReviewStore, item_ids: Collection[int], kind: Kind, category: str | None, who: str
) -> int:
    """Give many items one answer; `ReviewStore.undo` takes all of them back at once.

    What was answered meanwhile keeps that answer, and gets none beside it.

    Returns
    -------
    int
        How many were answered.

    Raises
    ------
    ReviewError
        If there are no items or too many, or as `ReviewStore.label` does.
    """
    if not 0 < len(item_ids) <= MAX_TOGETHER:
        raise ReviewError(
            f"1 to {MAX_TOGETHER} listings can be answered together, got {len(item_ids)}."
        )
    path = category_path(category or "") if kind == "category" else None
    name, at = reviewer_name(who), now()
    first = None
    with connect(reviews.path) as db:
        for item_id in dict.fromkeys(item_ids):
            given = db.execute(
                "INSERT INTO answers (item_id, kind, category, who, at, verdict)"
                " SELECT item_id, ?, ?, ?, ?, verdict FROM pending WHERE item_id = ?"
                " RETURNING answer_id",
                (kind, path, name, at, item_id),
            ).fetchone()
            if given is None:
                continue
            first = first or given["answer_id"]
            db.execute("INSERT INTO together VALUES (?, ?)", (given["answer_id"], first))
            db.execute("DELETE FROM leases WHERE item_id = ?", (item_id,))
        (n,) = db.execute("SELECT COUNT(*) FROM together WHERE first_id = ?", (first,)).fetchone()
    return int(n)
