"""Copies, variants and outsiders: what is injected, and the truth about it."""

from dataclasses import dataclass, replace

import numpy as np
from shelfsure.catalog.listing import Listing

from .appearance import PALETTE, draw_appearance
from .categories import CATEGORIES
from .outsiders import OUTSIDERS
from .photos import EDITS, QUALITIES, Photo
from .titles import Wording, misspelt

_OUTSIDER_TITLES = {
    "cat": ("our cat", "Kitten Mia, 3 years"),
    "fish": ("aquarium fish", "goldfish"),
    "butterfly": ("butterfly in the garden", "moth"),
    "tree": ("apple tree", "the old tree behind the house"),
    "car": ("family car, one owner", "used car 2014"),
    "house": ("holiday house by the lake", "country house"),
    "landscape": ("view from the pass", "holiday photo"),
    "abstract": ("untitled", "composition no. 4"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One listing with its recipe and the truth about it.

    Parameters
    ----------
    listing
        As it goes into the file, but without its photo's path and with its true category.
    kind
        ``listing``, ``near_duplicate``, ``variant`` or ``outsider``.
    photo
        The recipe; ``None`` where the photo is missing.
    wording
        The parts of the title; ``None`` for outsiders.
    of
        The listing that a near-duplicate or variant comes from.
    note
        The edit, the differing attribute, or what is missing.
    copyable
        It has a photo and a full title, so copies of it may be injected.
    """

    listing: Listing
    kind: str
    photo: Photo | None
    wording: Wording | None = None
    of: str = ""
    note: str = ""
    copyable: bool = False


def outsider(rng: np.random.Generator, seed: tuple[int, int], number: int) -> Row:
    """Plan something that no category covers; every third has no title."""
    name = list(OUTSIDERS)[number % len(OUTSIDERS)]
    title = None if number % 3 == 2 else str(rng.choice(_OUTSIDER_TITLES[name]))
    photo = Photo(name, seed, draw_appearance(rng), int(rng.integers(*QUALITIES)))
    note = name if title else f"{name}; missing_title"
    return Row(Listing(title=title), "outsider", photo, note=note)


def without(row: Row, part: str) -> Row:
    """Take the photo or the title away."""
    note = f"missing_{part}"
    if part == "photo":
        return replace(row, photo=None, note=note)
    return replace(row, listing=replace(row.listing, title=None), note=note)


def injected_copies(rng: np.random.Generator, sources: list[Row], count: int) -> list[Row]:
    """Make `count` near-duplicates and as many variants, of different sources while they last."""
    pick = [sources[i % len(sources)] for i in range(2 * count)]
    return [_near_duplicate(rng, row) for row in pick[:count]] + [
        _variant(rng, row) for row in pick[count:]
    ]


def _near_duplicate(rng: np.random.Generator, source: Row) -> Row:
    if source.photo is None or source.listing.title is None:
        raise ValueError(f"a copied listing must have photo and title; got {source}. Pick another")
    edit = str(rng.choice(list(EDITS)))
    title = source.listing.title
    change = int(rng.integers(3))
    title = (title, title.lower(), misspelt(rng, title))[change]
    return replace(
        source,
        listing=replace(source.listing, title=title),
        kind="near_duplicate",
        copyable=False,
        photo=replace(source.photo, edit=edit),
        of=source.listing.listing_id,
        note=f"{edit}; title {('same', 'in lower case', 'misspelt')[change]}",
    )


def _variant(rng: np.random.Generator, source: Row) -> Row:
    """Offer the same product in another size or pack with the same photo, or in another colour."""
    photo, wording = source.photo, source.wording
    if photo is None or wording is None:
        raise ValueError(f"a varied listing must have photo and title; got {source}. Pick another")
    match rng.integers(3):
        case 0:
            category = next(c for c in CATEGORIES if c.path == source.listing.category)
            size = str(rng.choice([size for size in category.sizes if size != wording.size]))
            note = f"size: {wording.size} -> {size}; same photo"
            wording = replace(wording, size=size)
        case 1:
            wording = replace(wording, pack=f"pack of {rng.integers(2, 7)}")
            note = f"pack: 1 -> {wording.pack}; same photo"
        case _:
            taken = {photo.look.colour, photo.look.second}
            colour = str(rng.choice([name for name in PALETTE if name not in taken]))
            note = f"colour: {wording.colour} -> {colour}; recoloured photo"
            wording = replace(wording, colour=colour)
            photo = replace(photo, look=replace(photo.look, colour=colour))
    return replace(
        source,
        listing=replace(source.listing, title=wording.title()),
        kind="variant",
        copyable=False,
        photo=photo,
        wording=wording,
        of=source.listing.listing_id,
        note=note,
    )
