"""Listings that a job keeps: photos that a table brought along become files beside the others."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ....catalog.listing import Listing


def with_photo_files(listing: Listing, folder: Path) -> Listing:
    """Give a listing whose photos lie in files; those that don't are written into `folder`."""
    photos = (listing.image, *listing.more_images)
    if not any(isinstance(photo, bytes) for photo in photos):
        return listing
    image = _file_of(listing.image, folder) if isinstance(listing.image, bytes) else listing.image
    more = (_file_of(one, folder) if isinstance(one, bytes) else one for one in listing.more_images)
    return replace(listing, image=image, more_images=tuple(more))


def photo_files(listings: Iterable[Listing]) -> list[Path]:
    """List the files of listings' main photos."""
    return [Path(one.image) for one in listings if isinstance(one.image, str | Path)]


def _file_of(photo: bytes, folder: Path) -> Path:
    path = folder / hashlib.sha256(photo).hexdigest()
    path.write_bytes(photo)
    return path
