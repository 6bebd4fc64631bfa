"""A listing: what a seller uploads."""

from dataclasses import dataclass, fields
from pathlib import Path

SEPARATOR = " > "


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
        The photo: a path, or the encoded file's bytes.
    category
        The true category as a path, ``"Home Furnishing > Curtains & Accessories > Curtains"``;
        ``None`` where unknown.
    group
        Whose it is, or of which batch: a seller, a shop, a photographer, a session. Listings of one
        group are alike, so training keeps them together; ``None`` where unknown.
    """

    listing_id: str = ""
    title: str | None = None
    image: str | Path | bytes | None = None
    description: str | None = None
    brand: str | None = None
    category: str | None = None
    group: str | None = None


FIELDS = tuple(field.name for field in fields(Listing))
"""The columns of a catalogue file."""


def category_levels(category: str) -> tuple[str, ...]:
    """Split a category path into its levels, blank levels dropped, spaces trimmed."""
    return tuple(level.strip() for level in category.split(">") if level.strip())


def category_prefix(category: str, levels: int) -> str:
    """Cut a category path to its first `levels` levels; a shorter path stays as it is.

    >>> category_prefix("Garden > Furniture > Hammocks", 2)
    'Garden > Furniture'
    """
    return SEPARATOR.join(category_levels(category)[:levels])
