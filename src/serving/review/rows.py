"""The review store's rows: listings and verdicts in, items and answers out."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.listing import Listing
from ...core.arrays import Floats
from ...pipeline.verdict import Verdict
from .active_learning import WIDTH, is_strange, uncertainty, verdict_vector
from .records import Answer, ReviewItem, printable


def listing_values(listing: Listing, data: bytes | None) -> dict[str, Any]:
    """Give the columns that say what was uploaded; ``content`` is equal for equal uploads.

    Parameters
    ----------
    data
        The photo's bytes.
    """
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


def to_item(row: sqlite3.Row, answer: sqlite3.Row | None, photos: Path) -> ReviewItem:
    """Read an item; `photos` is the folder of the store's photos."""
    texts = {name: row[name] for name in ("listing_id", "title", "description", "brand")}
    image = photos / row["photo_file"] if row["photo_file"] else None
    return ReviewItem(
        item_id=row["item_id"],
        listing=Listing(**texts, category=row["category"], image=image),
        verdict=Verdict.model_validate_json(row["verdict"]),
        photo_sha256=row["photo"],
        added_at=row["added_at"],
        answer=to_answer(answer) if answer else None,
    )


def to_answer(row: sqlite3.Row, *, withdrawn: bool = False) -> Answer:
    """Read an answer."""
    names = ("answer_id", "item_id", "kind", "category", "who", "at")
    verdict = Verdict.model_validate_json(row["verdict"])
    return Answer(**{name: row[name] for name in names}, verdict=verdict, withdrawn=withdrawn)


def stacked(blobs: Sequence[bytes]) -> Floats:
    """Stack what `verdict_vector` gave; a vector of another width becomes zeros."""
    vectors = np.zeros((len(blobs), WIDTH), dtype=np.float32)
    for row, blob in zip(vectors, blobs, strict=True):
        if len(blob) == row.nbytes:
            row[:] = np.frombuffer(blob, dtype=np.float32)
    return vectors
