"""Listings to a catalogue file again, such as the parts of a split."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path

from ..core.kinds import FileKind, table_with
from .delimited import write_csv
from .listing import MORE_IMAGES, Listing, UnusablePhoto
from .rows import FIELDS, shown

PART = FileKind("a part of a catalogue as Shelfsure writes it", table_with(FIELDS))
REJECTED = FileKind("a list of rejected rows", table_with(("row", "listing_id", "reason")))


def write_listings(path: str | Path, listings: Iterable[Listing], image_root: str | Path) -> None:
    """Write listings as a CSV catalogue, such as one part of a split.

    Photo paths are written relative to `image_root`, not to the new file, so that parts in any
    folder are read back with ``read_catalog(path, image_root=image_root)``. A photo that is no file
    is written out in base64. Where listings have further photos, they are one more column.
    """
    if Path(path).suffix.lower() != ".csv":
        raise ValueError(f"a catalogue is written as .csv, but {path} was asked for. Rename it.")
    root, listings = Path(image_root).resolve(), list(listings)
    several = any(item.more_images for item in listings)

    def cells(item: Listing) -> list[str | None]:
        texts = {name: getattr(item, name) for name in FIELDS}
        texts["image"] = _place(item, item.image, root)
        return [*texts.values(), *([_more_places(item, root)] if several else [])]

    write_csv(path, (*FIELDS, *([MORE_IMAGES] if several else [])), map(cells, listings))


def _more_places(listing: Listing, root: Path) -> str | None:
    """Write the further photos that can be used, as a JSON list."""
    usable = (one for one in listing.more_images if not isinstance(one, UnusablePhoto))
    places = [_place(listing, one, root) for one in usable]
    return json.dumps(places, ensure_ascii=False) if places else None


def _place(listing: Listing, image: str | Path | bytes | None, root: Path) -> str | None:
    if image is None:
        return None
    if isinstance(image, bytes):
        return f"data:;base64,{base64.b64encode(image).decode()}"
    photo = (root / image).resolve()
    if not photo.is_relative_to(root):
        raise ValueError(
            f"photos must lie in the image folder {root}, but listing "
            f"{shown(listing.listing_id)} has {photo}. Pass a folder that holds them all."
        )
    return photo.relative_to(root).as_posix()
