"""Every photo of listings as a row of its own, so that two listings match on any of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...core.arrays import Ints
from ...embedding.listings import EmbeddedListings
from ...fusion.views import View
from .verdict import PhotoFinding


@dataclass(frozen=True)
class EveryPhoto:
    """The main photos of n listings, in order, and then their further ones.

    Parameters
    ----------
    embedded
        A row a photo, the first n without one where a listing has none; without titles.
    owners
        Shape ``(n_rows,)``: the listing that each row is of.
    numbers
        Each photo's number among those of its listing, from 1.
    """

    embedded: EmbeddedListings
    owners: Ints
    numbers: list[int]

    @classmethod
    def of(cls, embedded: EmbeddedListings) -> "EveryPhoto":
        """Lay listings out; those with one photo each stay as they are."""
        n, further = len(embedded.listings), embedded.further
        if further is None:
            return cls(embedded, np.arange(n), [1] * n)
        photo = View(
            np.concatenate([embedded.photo.array, further.photo.array]),
            np.concatenate([embedded.photo.present, further.photo.present]),
        )
        listings = [
            replace(embedded.listings[row], image=image, more_images=())
            for row, image in zip(further.rows.tolist(), further.images, strict=True)
        ]
        return cls(
            EmbeddedListings.of_photos(
                [*embedded.listings, *listings],
                photo,
                [*embedded.photo_hashes, *further.hashes],
            ),
            np.concatenate([np.arange(n), further.rows]),
            [*([1] * n), *further.numbers],
        )

    @property
    def most(self) -> int:
        """The most photos of one listing."""
        return int(np.bincount(self.owners).max()) if len(self.owners) else 0


@dataclass(frozen=True, slots=True)
class FoundPair:
    """Two listings by their rows, what was found of two of their photos, and which these are.

    `n_main` of the two photos are their listings' main ones.
    """

    a: int
    b: int
    finding: PhotoFinding
    photos: tuple[int, int] = (1, 1)
    n_main: int = 2


def by_listing(
    findings: Iterable[tuple[int, int, PhotoFinding]],
    own: EveryPhoto,
    other: EveryPhoto,
    *,
    n_own: int,
    n_other: int,
) -> Iterator[list[FoundPair]]:
    """Gather what was found of two listings' photos: of the main ones first, then the surest.

    Photos of one listing aren't compared with each other.

    Parameters
    ----------
    n_own, n_other
        Listings on either side: rows before that are main photos.
    """
    within = own is other
    pairs: dict[tuple[int, int], list[FoundPair]] = {}
    for row_a, row_b, finding in findings:
        a, b = int(own.owners[row_a]), int(other.owners[row_b])
        photos = own.numbers[row_a], other.numbers[row_b]
        n_main = (row_a < n_own) + (row_b < n_other)
        if within and a == b:
            continue
        key = (min(a, b), max(a, b)) if within else (a, b)
        pairs.setdefault(key, []).append(FoundPair(a, b, finding, photos, n_main))
    for found in pairs.values():
        found.sort(key=lambda one: (-one.n_main, -one.finding.probability))
        yield found
