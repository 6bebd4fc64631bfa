"""Listings as rows of vectors: what every later step takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ..catalog.listing import Listing
from ..core.arrays import Floats
from ..fusion.views import View
from ..vision.quality import PhotoFlag, PhotoQuality
from .further_photos import FurtherPhotos

T = TypeVar("T")


@dataclass(frozen=True)
class EmbeddedListings:
    """n listings, each a row of every array.

    Parameters
    ----------
    listings
        As they were read.
    photo, title, description
        Unit vectors with a mask of who has one.
    photo_hashes
        sha256 of each photo's bytes, None where there is none.
    titles, descriptions
        Cleaned texts, empty where missing.
    problems
        Row -> why its photo can't be used; such a row is to be set aside.
    left_out
        Row -> why its photo isn't used; such a row goes by its title.
    quality
        Row -> its photo's quality, where that was asked for.
    further
        What listings show besides `photo`, the main one; None where they show nothing.

    Raises
    ------
    ValueError
        If the arrays don't have a row for each listing.
    """

    listings: Sequence[Listing]
    photo: View
    title: View
    description: View
    photo_hashes: Sequence[str | None]
    titles: Sequence[str]
    descriptions: Sequence[str]
    problems: Mapping[int, str] = field(default_factory=dict)
    quality: Mapping[int, PhotoQuality] = field(default_factory=dict)
    left_out: Mapping[int, str] = field(default_factory=dict)
    further: FurtherPhotos | None = None

    def __post_init__(self) -> None:
        lengths = [len(self.listings), len(self.photo_hashes)]
        lengths += [len(view.present) for view in (self.photo, self.title, self.description)]
        lengths += [len(self.titles), len(self.descriptions)]
        if len(set(lengths)) > 1:
            raise ValueError(
                "listings, photo hashes, vectors of photos, titles and descriptions, and their "
                f"texts must be of one length, but are of {lengths}."
            )

    @classmethod
    def of_photos(
        cls,
        listings: Sequence[Listing],
        photo: View,
        photo_hashes: Sequence[str | None],
        title: View | None = None,
    ) -> "EmbeddedListings":
        """Lay out what is known where descriptions aren't used, such as in an index."""
        nothing = View(np.zeros((len(listings), 1), np.float32), np.zeros(len(listings), bool))
        return cls(
            listings=listings,
            photo=photo,
            title=title or nothing,
            description=nothing,
            photo_hashes=photo_hashes,
            titles=[listing.title or "" for listing in listings],
            descriptions=[""] * len(listings),
        )

    def flags(self, row: int) -> tuple[PhotoFlag, ...]:
        """Say what could be better about a photo, as far as it was measured."""
        return self.quality[row].flags if row in self.quality else ()

    def take(self, rows: Sequence[int]) -> "EmbeddedListings":
        """Keep some rows, in this order."""
        return EmbeddedListings(
            listings=[self.listings[row] for row in rows],
            photo=self.photo.take(rows),
            title=self.title.take(rows),
            description=self.description.take(rows),
            photo_hashes=[self.photo_hashes[row] for row in rows],
            titles=[self.titles[row] for row in rows],
            descriptions=[self.descriptions[row] for row in rows],
            problems=_taken(self.problems, rows),
            quality=_taken(self.quality, rows),
            left_out=_taken(self.left_out, rows),
            further=self.further and self.further.take(rows),
        )

    def by_title(self) -> "EmbeddedListings":
        """Leave photos out that can't be used, of listings with a title."""
        left_out = {row: why for row, why in self.problems.items() if self.titles[row]}
        return replace(
            self,
            listings=[
                replace(listing, image=None, more_images=()) if row in left_out else listing
                for row, listing in enumerate(self.listings)
            ],
            photo_hashes=[
                None if row in left_out else digest for row, digest in enumerate(self.photo_hashes)
            ],
            problems={row: why for row, why in self.problems.items() if row not in left_out},
            left_out=left_out,
        )

    def distinct_photos(self) -> list[list[int]]:
        """Gather the rows of each distinct photo, in the order of each one's first row."""
        rows: dict[str | int, list[int]] = {}
        for row in np.flatnonzero(self.photo.present).tolist():
            digest = self.photo_hashes[row]
            rows.setdefault(row if digest is None else digest, []).append(row)
        return list(rows.values())

    def photo_vectors(self, rows: Sequence[int]) -> Floats:
        """Vectors of some listings' photos, shape ``(len(rows), d)``."""
        return np.asarray(self.photo.array[np.array(rows, dtype=np.intp)], dtype=np.float32)


def _taken(values: Mapping[int, T], rows: Sequence[int]) -> dict[int, T]:
    return {place: values[row] for place, row in enumerate(rows) if row in values}
