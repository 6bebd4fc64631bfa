"""A listing: what a seller uploads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

SEPARATOR = " > "
MAX_PHOTOS = 12
"""Photos of one listing that are looked at; what is beyond is counted."""
MORE_IMAGES = "more_images"


@dataclass(frozen=True, slots=True)
class UnusablePhoto:
    """A photo that a listing names, but that can't be looked at.

    Parameters
    ----------
    why
        In words.
    stood_in_for
        It comes before the main photo, which stands in for it.
    n
        How many photos this is said of.
    """

    why: str
    stood_in_for: bool = False
    n: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """One upload; a photo or a title must be there, everything else may be missing.

    Parameters
    ----------
    listing_id
        The seller's or marketplace's own id; unique within a catalogue.
    title, description, brand
        Text as written; ``None`` where missing.
    image
        The main photo: a path, or the encoded file's bytes.
    category
        The true category as a path, ``"Home Furnishing > Curtains & Accessories > Curtains"``;
        ``None`` where unknown.
    group
        Whose it is, or of which batch: a seller, a shop, a photographer, a session. Listings of one
        group are alike, so training keeps them together; ``None`` where unknown.
    more_images
        Further photos of it, and those that couldn't be had, in the listing's order.
    """

    listing_id: str = ""
    title: str | None = None
    image: str | Path | bytes | None = None
    description: str | None = None
    brand: str | None = None
    category: str | None = None
    group: str | None = None
    more_images: tuple[str | Path | bytes | UnusablePhoto, ...] = ()


FIELDS = tuple(field.name for field in fields(Listing) if field.name != MORE_IMAGES)
"""The columns of a catalogue file; `MORE_IMAGES` may be several besides."""


def with_photos(
    photos: Sequence[str | Path | bytes | UnusablePhoto],
) -> tuple[str | Path | bytes | None, tuple[str | Path | bytes | UnusablePhoto, ...]]:
    """Tell the main photo, the first that can be used, from the others.

    Equal ones count once, and at most `MAX_PHOTOS` are kept.

    >>> with_photos([UnusablePhoto("lost"), "a.jpg", "b.jpg", "a.jpg"])
    ('a.jpg', (UnusablePhoto(why='lost', stood_in_for=True, n=1), 'b.jpg'))
    """
    kept = list(dict.fromkeys(photos))
    if len(kept) > MAX_PHOTOS:
        why = f"only the first {MAX_PHOTOS} photos of a listing are looked at"
        n = sum(one.n if isinstance(one, UnusablePhoto) else 1 for one in kept[MAX_PHOTOS:])
        kept = [*kept[:MAX_PHOTOS], UnusablePhoto(why, n=n)]
    before: list[UnusablePhoto] = []
    for place, one in enumerate(kept):
        if not isinstance(one, UnusablePhoto):
            return one, (*before, *kept[place + 1 :])
        before.append(replace(one, stood_in_for=True))
    return None, tuple(kept)


def numbered_photo(listing: Listing, number: int) -> str | Path | bytes | None:
    """Give the photo that has a number, from 1, in a listing; the main one if it isn't known.

    >>> numbered_photo(Listing(image="a", more_images=("b", "c")), 3)
    'c'
    """
    for place, photo in enumerate(listing.more_images):
        if not isinstance(photo, UnusablePhoto) and photo_number(listing, place) == number:
            return photo
    return listing.image


def main_photo_number(listing: Listing) -> int:
    """Give the number, from 1, that a listing has for its main photo.

    >>> main_photo_number(Listing(image="b", more_images=(UnusablePhoto("lost", True), "c")))
    2
    """
    before = (one for one in listing.more_images if isinstance(one, UnusablePhoto))
    return 1 + sum(one.stood_in_for for one in before)


def photo_number(listing: Listing, place: int) -> int:
    """Give the number, from 1, that a listing has for the photo at a place of `more_images`.

    >>> photo_number(Listing(image="b", more_images=(UnusablePhoto("lost", True), "c")), 1)
    3
    """
    one = listing.more_images[place]
    before_main = isinstance(one, UnusablePhoto) and one.stood_in_for
    return place + 1 if before_main or listing.image is None else place + 2


def category_levels(category: str) -> tuple[str, ...]:
    """Split a category path into its levels, blank levels dropped, spaces trimmed."""
    return tuple(level.strip() for level in category.split(">") if level.strip())


def category_prefix(category: str, levels: int) -> str:
    """Cut a category path to its first `levels` levels; a shorter path stays as it is.

    >>> category_prefix("Garden > Furniture > Hammocks", 2)
    'Garden > Furniture'
    """
    return SEPARATOR.join(category_levels(category)[:levels])
