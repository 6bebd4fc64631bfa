"""A catalogue with what came after it: people's answers, and further files of listings."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from .catalog import Catalog, RejectedRow
from .groups import title_key
from .listing import Listing, category_levels


@dataclass(frozen=True, slots=True)
class Additions:
    """What a further source says of listings, the oldest first.

    Parameters
    ----------
    source
        Where it is from.
    labelled
        Listings with the category that holds from now on.
    not_sold
        Listings that this catalogue doesn't sell.
    n_disputed
        Listings left out since people disagree about them.
    n_photos_missing
        Listings that go by their title, or are left out, as their photo is gone.
    rejected
        Rows that can't be used.
    answered
        Whether people answered, rather than a file said so.
    """

    source: Path
    labelled: tuple[Listing, ...] = ()
    not_sold: tuple[Listing, ...] = ()
    n_disputed: int = 0
    n_photos_missing: int = 0
    rejected: tuple[RejectedRow, ...] = ()
    answered: bool = False

    @classmethod
    def of(cls, catalog: Catalog) -> Self:
        """Take a further catalogue's listings, read with ``need_category=True``."""
        source = catalog.source or Path("a catalogue")
        return cls(source, catalog.listings, rejected=catalog.rejected)


@dataclass(frozen=True, slots=True)
class Merged:
    """A catalogue and all that came after it.

    Parameters
    ----------
    catalog
        The listings; rows of further sources are numbered on from those of the file.
    outside
        What people said isn't sold here.
    answered
        Ids of listings whose category people named, in the order of their answers.
    said
        What became of each further source, in a sentence.
    """

    catalog: Catalog
    outside: tuple[Listing, ...] = ()
    answered: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def merge(catalog: Catalog, additions: Iterable[Additions]) -> Merged:
    """Put further sources into a catalogue, the last one having the last word.

    A listing is known by its id, or else by its title and the bytes of its photo. One that is there
    keeps its text and photo, and takes the category that it is given, unless that only stops at a
    higher level of the same path. A new one is added. What isn't sold is taken out.
    """
    merged = Merged(catalog)
    for each in additions:
        merged = _merged(merged, each)
    return merged


def _merged(before: Merged, more: Additions) -> Merged:
    catalog = before.catalog
    listings = {own.listing_id: own for own in catalog.listings}
    by_text: dict[str | None, list[str]] = {}
    for own in catalog.listings:
        by_text.setdefault(title_key(own.title), []).append(own.listing_id)
    answered = dict.fromkeys(before.answered)
    added: dict[str, Listing] = {}
    relabelled, confirmed, removed = set[str](), set[str](), set[str]()
    for one in more.labelled:
        known = _known(one, listings, by_text)
        if known is None:
            name = _free(one.listing_id, listings)
            listings[name] = added[name] = replace(one, listing_id=name)
            known = name
            by_text.setdefault(title_key(one.title), []).append(name)
        elif known in added:
            listings[known] = added[known] = replace(listings[known], category=one.category)
        elif _confirms(one.category, listings[known].category):
            confirmed.add(known)
        else:
            listings[known] = replace(listings[known], category=one.category)
            relabelled.add(known)
        if more.answered:
            answered.pop(known, None)  # the newest answer is the last
            answered[known] = None
    for one in more.not_sold:
        known = _known(one, listings, by_text)
        if known is not None:
            by_text[title_key(listings.pop(known).title)].remove(known)
            removed.add(known)
            answered.pop(known, None)
    return Merged(
        _with_rows(catalog, listings, more.rejected),
        (*before.outside, *(one for one in more.not_sold if one.image is not None)),
        tuple(answered),
        (*before.said, _said(more, len(relabelled), len(confirmed), len(added), len(removed))),
    )


def _with_rows(
    catalog: Catalog, listings: dict[str, Listing], rejected: Sequence[RejectedRow]
) -> Catalog:
    """Number new listings and rejected rows on from those that the catalogue has."""
    row_of = {own.listing_id: row for row, own in zip(catalog.rows, catalog.listings, strict=True)}
    last = max([0, *catalog.rows, *(each.row for each in catalog.rejected)])
    new = [name for name in listings if name not in row_of]
    row_of |= {name: last + n for n, name in enumerate(new, start=1)}
    last += len(new)
    more = [replace(each, row=last + n) for n, each in enumerate(rejected, start=1)]
    rows = tuple(row_of[name] for name in listings)
    return replace(
        catalog,
        listings=tuple(listings.values()),
        rows=rows,
        rejected=(*catalog.rejected, *more),
        photo_problems={
            row: why for row, why in catalog.photo_problems.items() if row in set(rows)
        },
    )


def _known(
    one: Listing, listings: Mapping[str, Listing], by_text: Mapping[str | None, Sequence[str]]
) -> str | None:
    """Find the listing that this one is; its id, None if it is new."""
    if one.listing_id in listings:
        return one.listing_id
    alike = by_text.get(title_key(one.title), ())
    if not alike:
        return None
    photo = photo_digest(one.image)
    same = (name for name in alike if photo_digest(listings[name].image) == photo)
    return next(same, None)


def photo_digest(image: str | Path | bytes | None) -> str | None:
    """Hash a photo's bytes (sha256); None without a photo, or if it can't be read."""
    if image is None:
        return None
    try:
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
    except OSError:
        return None
    return hashlib.sha256(data).hexdigest()


def _confirms(said: str | None, label: str | None) -> bool:
    levels = category_levels(said or "")
    return category_levels(label or "")[: len(levels)] == levels


def _free(wished: str, taken: Mapping[str, Listing]) -> str:
    name, n = wished or "review", 1
    while name in taken or name == "review":
        n += 1
        name = f"{wished or 'review'}-{n}"
    return name


def _said(more: Additions, relabelled: int, confirmed: int, added: int, removed: int) -> str:
    parts = [f"{relabelled:,} labels replaced", f"{confirmed:,} confirmed", f"{added:,} added"]
    optional = {
        "taken out as not sold here": removed,
        "left out, as people disagree": more.n_disputed,
        "without their photo, which is gone": more.n_photos_missing,
        "rows rejected": len(more.rejected),
    }
    parts += [f"{n:,} {what}" for what, n in optional.items() if n]
    return f"{more.source.name}: {', '.join(parts)}"
