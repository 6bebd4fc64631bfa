"""A judged listing as a row of the verdict log: what was said of it, never its photo."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from ..core.arrays import Bools, Floats
from ..embedding.listings import EmbeddedListings
from ..fusion.views import View
from ..pipeline.verdict import Verdict

Role: TypeAlias = Literal["champion", "challenger"]
PARTS = ("photo", "title")
_VECTOR = pa.list_(pa.float16())
SCHEMA = pa.schema(
    [
        ("listing_id", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("group", pa.string()),
        ("decision", pa.string()),
        ("category", pa.string()),
        ("probability", pa.float64()),
        ("route", pa.string()),
        ("ood_p_value", pa.float64()),
        ("quality", pa.list_(pa.string())),
        ("n_duplicates", pa.int32()),
        ("missing", pa.list_(pa.string())),
        ("model_version", pa.string()),
        ("title", pa.string()),
        ("photo_embedding", _VECTOR),
        ("title_embedding", _VECTOR),
        ("pair", pa.string()),
        ("role", pa.string()),
        ("answered", pa.bool_()),
    ]
)
"""`title` is null unless titles are kept, `quality` where the photo wasn't measured, an embedding
where the listing lacks the part; `pair`, `role` and `answered` where there was no challenger, see
`Link`. Files of before that lack columns have null there."""


class Link(NamedTuple):
    """Which verdict this is of the two that champion and challenger give of one request.

    Parameters
    ----------
    pair
        Both have it, nothing else does.
    answered
        It was the answer; else it was given behind it.
    """

    pair: str
    role: Role
    answered: bool


def log_rows(
    embedded: EmbeddedListings,
    verdicts: Sequence[Verdict],
    time: datetime,
    *,
    links: Sequence[Link | None] | None = None,
    keep_titles: bool = False,
) -> pa.Table:
    """Lay out judged listings as rows of `SCHEMA`.

    Parameters
    ----------
    embedded, verdicts
        n listings, in the same order.
    time
        When they were judged, with its time zone.
    links
        One a listing, if there is a challenger.

    Raises
    ------
    ValueError
        If there isn't one verdict a listing.
    """
    listings = embedded.listings
    pairs = list(zip(listings, verdicts, strict=True))
    parts = {"photo": embedded.photo, "title": embedded.title}
    there = [[name for name in PARTS if parts[name].present[row]] for row in range(len(pairs))]
    columns = {
        "listing_id": [_text(verdict.listing_id) for verdict in verdicts],
        "time": [time] * len(pairs),
        "group": [_text(listing.group) for listing in listings],
        "decision": [verdict.decision for verdict in verdicts],
        "category": [verdict.category for verdict in verdicts],
        "probability": [verdict.probability for verdict in verdicts],
        "route": [verdict.route for verdict in verdicts],
        "ood_p_value": [verdict.ood_p_value for verdict in verdicts],
        "quality": [
            [found.flag for found in verdict.quality] if row in embedded.quality else None
            for row, verdict in enumerate(verdicts)
        ],
        "n_duplicates": [sum(copy.mergeable for copy in v.duplicates) for v in verdicts],
        "missing": [[name for name in PARTS if name not in own] for own in there],
        "model_version": [verdict.model_version for verdict in verdicts],
        "title": [_text(listing.title) if keep_titles else None for listing in listings],
    }
    for name in Link._fields:
        columns[name] = [link and getattr(link, name) for link in links or [None] * len(pairs)]
    made = {f"{name}_embedding": _vectors(parts[name]) for name in PARTS}
    arrays = [
        made[kind.name] if kind.name in made else pa.array(columns[kind.name], kind.type)
        for kind in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def vectors_of(table: pa.Table, part: str) -> View:
    """Read the vectors of a part, ``photo`` or ``title``, in single precision.

    Vectors of another width than most have, by other encoders, count as missing.
    """
    column = table[f"{part}_embedding"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], _VECTOR)
    lengths = np.diff(np.asarray(column.offsets))
    present: Bools = np.asarray(column.is_valid()) & (lengths > 0)
    dim = int(np.bincount(lengths[present]).argmax()) if present.any() else 1
    present &= lengths == dim
    vectors: Floats = np.zeros((len(lengths), dim), dtype=np.float32)
    values = np.asarray(column.values)
    starts = np.asarray(column.offsets)[:-1][present]
    vectors[present] = values[starts[:, None] + np.arange(dim)]
    return View(vectors, present)


def _vectors(view: View) -> pa.Array:
    """Keep the vectors of who has one, in half precision."""
    dense = view.dense()
    if dense is None:
        return pa.nulls(len(view.present), _VECTOR)
    rows = dense[view.present].astype(np.float16)
    offsets = np.concatenate([[0], np.cumsum(view.present * rows.shape[1])])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.array(rows.ravel(), pa.float16()),
        mask=pa.array(~view.present),
    )


def _text(title: str | None) -> str | None:
    """Put ``?`` for half characters, which Parquet can't hold."""
    return None if title is None else title.encode("utf-8", "replace").decode()
