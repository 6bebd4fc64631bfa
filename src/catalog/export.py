"""Listings to a catalogue file again, such as the parts of a split."""

import base64
from collections.abc import Iterable
from pathlib import Path

from ..core.kinds import FileKind, table_with
from .delimited import write_csv
from .listing import Listing
from .rows import FIELDS, shown

PART = FileKind("a part of a catalogue as Shelfsure writes it", table_with(FIELDS))
REJECTED = FileKind("a list of rejected rows", table_with(("row", "listing_id", "reason")))


def write_listings(path: str | Path, listings: Iterable[Listing], image_root: str | Path) -> None:
    """Write listings as a CSV catalogue, such as one part of a split.

    Photo paths are written relative to `image_root`, not to the new file, so that parts in any
    folder are read back with ``read_catalog(path, image_root=image_root)``. A photo that is no file
    is written out in base64.
    """
    if Path(path).suffix.lower() != ".csv":
        raise ValueError(f"a catalogue is written as .csv, but {path} was asked for. Rename it.")
    root = Path(image_root).resolve()
    write_csv(
        path,
        FIELDS,
        (
            [_place(item, root) if name == "image" else getattr(item, name) for name in FIELDS]
            for item in listings
        ),
    )


def _place(listing: Listing, root: Path) -> str | None:
    if listing.image is None:
        return None
    if isinstance(listing.image, bytes):
        return f"data:;base64,{base64.b64encode(listing.image).decode()}"
    photo = (root / listing.image).resolve()
    if not photo.is_relative_to(root):
        raise ValueError(
            f"photos must lie in the image folder {root}, but listing "
            f"{shown(listing.listing_id)} has {photo}. Pass a folder that holds them all."
        )
    return photo.relative_to(root).as_posix()
