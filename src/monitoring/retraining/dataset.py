"""A catalogue with its answers under one name, its version: a hash of all rows and photos."""

import csv
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ...catalog.catalog import Catalog
from ...catalog.delimited import write_csv
from ...catalog.listing import FIELDS, Listing
from ...catalog.merging import Merged, photo_digest
from .parts import Part
from .steps import digest

PARTS = "parts.csv"


@dataclass(frozen=True)
class Dataset:
    """What a retraining learns from and is tested on.

    Parameters
    ----------
    catalog
        By listing id, so that a file in another order is the same data.
    outside
        Things that aren't sold.
    answered
        Ids of listings whose category people named, the newest last.
    version
        Hash of every row, and of the photos' bytes.
    """

    catalog: Catalog
    outside: tuple[Listing, ...]
    answered: tuple[str, ...]
    version: str

    @classmethod
    def of(cls, merged: Merged, outside: Collection[Listing] = ()) -> "Dataset":
        """Give a catalogue its version; photos are read for it."""
        catalog = merged.catalog
        pairs = zip(catalog.listings, catalog.rows, strict=True)
        ordered = sorted(pairs, key=lambda pair: pair[0].listing_id)
        listings = tuple(listing for listing, _ in ordered)
        strangers = (*outside, *merged.outside)
        with ThreadPoolExecutor(8) as pool:
            photos = list(pool.map(photo_digest, (one.image for one in (*listings, *strangers))))
        texts = [name for name in FIELDS if name != "image"]
        rows = [
            [*(getattr(one, name) for name in texts), photo]
            for one, photo in zip(listings, photos, strict=False)
        ]
        version = digest([rows, sorted(map(str, photos[len(listings) :]))])
        ordered_catalog = replace(catalog, listings=listings, rows=tuple(row for _, row in ordered))
        return cls(ordered_catalog, strangers, merged.answered, version)

    def only(self, names: Collection[str]) -> Catalog:
        """Take the listings of these ids."""
        kept = [
            (listing, row)
            for listing, row in zip(self.catalog.listings, self.catalog.rows, strict=True)
            if listing.listing_id in names
        ]
        return replace(
            self.catalog,
            listings=tuple(listing for listing, _ in kept),
            rows=tuple(row for _, row in kept),
            rejected=(),
        )


def write_parts(folder: Path, parts: Mapping[str, Part]) -> None:
    """Keep which part each listing is of, those included that are gone from the catalogue."""
    write_csv(folder / PARTS, ("listing_id", "part"), sorted(parts.items()))


def read_parts(folder: Path) -> dict[str, Part]:
    """Read what `write_parts` wrote."""
    with (folder / PARTS).open(encoding="utf-8-sig", newline="") as file:
        return {row["listing_id"]: cast(Part, row["part"]) for row in csv.DictReader(file)}
