"""Duplicates that contradict each other: two categories for one product, or train and test."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing, category_prefix
from ..retrieval.duplicates.verdict import DuplicatePair
from .findings import Finding


def conflicts(
    pairs: Iterable[DuplicatePair],
    catalog: Catalog,
    levels: int,
    probability: Mapping[str, Mapping[str, float]],
) -> list[Finding]:
    """Find duplicates under two categories; the label that is less likely is to be changed.

    Parameters
    ----------
    pairs
        As `match_listings` gives them, of listings of `catalog`.
    levels
        Of the category path, that are compared.
    probability
        Listing id -> category -> what the classifier gave it, held-out; of listings that were
        judged.
    """
    rows = _rows(catalog)
    found = []
    for pair in pairs:
        named = [category_prefix(one.category or "", levels) for one in (pair.a, pair.b)]
        if not pair.mergeable or named[0] == named[1]:
            continue
        said = [probability.get(one.listing_id, {}) for one in (pair.a, pair.b)]
        votes = [sum(each.get(name, 0.0) for each in said) for name in named]
        wrong, right = (pair.a, pair.b) if votes[0] < votes[1] else (pair.b, pair.a)
        at = 0 if wrong is pair.a else 1
        reason = (
            f"It is {right.listing_id} again, which is labelled {named[1 - at]}: {pair.evidence}."
        )
        found.append(
            Finding(
                "duplicate_conflict",
                _strength(pair),
                reason,
                named[at],
                named[1 - at],
                rows.get(wrong.listing_id),
                wrong.listing_id,
            )
        )
    return found


def part_leaks(
    pairs: Iterable[DuplicatePair], catalog: Catalog, part: Mapping[int, str]
) -> list[Finding]:
    """Find duplicates of which one is in one part (train, test) and one in another.

    Parameters
    ----------
    part
        Data row -> its part; rows without one are in none.
    """
    rows = _rows(catalog)
    found = []
    for pair in pairs:
        ours, theirs = (part.get(rows[one.listing_id], "") for one in (pair.a, pair.b))
        if pair.mergeable and ours and theirs and ours != theirs:
            found.append(_leak(pair, pair.b, pair.a, theirs, ours, rows[pair.b.listing_id]))
    return found


def group_leaks(groups: Sequence[int], catalog: Catalog, part: Mapping[int, str]) -> list[Finding]:
    """Find groups (a seller, a session of photos) that lie in two parts, one finding a group.

    Parameters
    ----------
    groups
        The group's number of each listing of `catalog`.
    """
    found = []
    order = np.argsort(np.asarray(groups), kind="stable")
    numbers = np.asarray(groups)[order]
    for places in np.split(order, np.flatnonzero(np.diff(numbers)) + 1):
        named = [(place, part.get(catalog.rows[place], "")) for place in places.tolist()]
        said = sorted({name for _, name in named if name})
        if len(said) > 1:
            first = next(place for place, name in named if name == said[-1])
            reason = f"Its group (a seller, or a session of photos) is in {' and in '.join(said)}."
            own = catalog.listings[first]
            found.append(
                Finding(
                    "leak",
                    0.5,
                    reason,
                    own.category or "",
                    "",
                    catalog.rows[first],
                    own.listing_id,
                )
            )
    return found


def measured_leaks(
    pairs: Iterable[DuplicatePair], catalog: Catalog, test: Sequence[Listing]
) -> list[Finding]:
    """Find listings that are in a test file as well, by their id or by what they show.

    Parameters
    ----------
    pairs
        Listings of `catalog` with those of `test`.
    """
    rows = _rows(catalog)
    ids = {one.listing_id for one in test}
    same = [
        Finding(
            "leak",
            1.0,
            "A listing of this id is in the test file as well.",
            one.category or "",
            "",
            row,
            one.listing_id,
        )
        for row, one in zip(catalog.rows, catalog.listings, strict=True)
        if one.listing_id in ids
    ]
    return same + [
        _leak(pair, pair.a, pair.b, "training", "the test file", rows[pair.a.listing_id])
        for pair in pairs
        if pair.mergeable
    ]


def _leak(
    pair: DuplicatePair, own: Listing, other: Listing, part: str, other_part: str, row: int
) -> Finding:
    reason = (
        f"It is in {part}, and {other.listing_id} in {other_part} is it again: {pair.evidence}."
    )
    return Finding("leak", _strength(pair), reason, own.category or "", "", row, own.listing_id)


def _strength(pair: DuplicatePair) -> float:
    absent = pair.photo.relation == "absent"  # then what is written speaks alone
    return max(pair.title_similarity or 0.0, 0.0) if absent else pair.photo.probability


def _rows(catalog: Catalog) -> dict[str, int]:
    return {one.listing_id: row for row, one in zip(catalog.rows, catalog.listings, strict=True)}
