"""A listing's further photos in an index: rows of their own, under ids that lead to the listing."""

import re
from collections.abc import Sequence

import numpy as np

from ...core.arrays import Floats, Ints

PHOTO = "photo"
"""The space that these rows have a vector in."""
_FURTHER = re.compile(r"(?P<listing>.*)\0photo (?P<number>\d+)", re.DOTALL)


def further_id(listing_id: str, number: int) -> str:
    """Name the row of a further photo; no catalogue has such an id."""
    return f"{listing_id}\0photo {number}"


def photo_of(row_id: str) -> tuple[str, int] | None:
    """Tell whose photo a row is and which of them; None for the listing itself.

    >>> photo_of(further_id("mug", 2)), photo_of("mug")
    (('mug', 2), None)
    """
    found = _FURTHER.fullmatch(row_id)
    return (found["listing"], int(found["number"])) if found else None


def n_further(row_ids: Sequence[str]) -> int:
    """Count the rows that are further photos."""
    return sum(photo_of(key) is not None for key in row_ids)


def owners(row_ids: Sequence[str]) -> Ints:
    """Give each row's listing's row: its own, unless it is a further photo; shape ``(n,)``."""
    found = np.arange(len(row_ids))
    place = {key: row for row, key in enumerate(row_ids)}
    for row, key in enumerate(row_ids):
        if own := photo_of(key):
            found[row] = place.get(own[0], row)
    return found


def once_a_listing(similarities: Floats, rows: Ints, owners: Ints, k: int) -> tuple[Floats, Ints]:
    """Keep of each query's hits the best of every listing, the `k` nearest first.

    Parameters
    ----------
    similarities, rows
        Shape ``(n_queries, n_hits)``, best first; rows are -1 where there are no more.
    owners
        Each row's listing's row.
    """
    best = np.full((len(rows), k), -np.inf, dtype=np.float32)
    listings = np.full((len(rows), k), -1, dtype=np.int64)
    for query, near in enumerate(rows):
        there = np.flatnonzero(near >= 0)
        own, first = np.unique(owners[near[there]], return_index=True)
        order = np.argsort(first)[:k]
        listings[query, : len(order)] = own[order]
        best[query, : len(order)] = similarities[query, there[first[order]]]
    return best, listings


def known_similarities(wanted: Ints, similarities: Floats, rows: Ints) -> Floats:
    """Look up the similarities of some rows among a query's hits; -1 where one isn't there."""
    known = dict(zip(rows.tolist(), similarities.tolist(), strict=True))
    return np.array([known.get(row, -1.0) for row in wanted.tolist()], dtype=np.float32)
