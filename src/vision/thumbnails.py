"""Small pictures for pages: made in memory, so that no path of this machine reaches a browser."""

from pathlib import Path

from PIL import Image

from ..core.errors import PhotoError
from ..core.reports import jpeg_uri
from .load import decode_photo

THUMBNAIL_PX = 240


def thumbnail_uri(
    source: str | Path | bytes | None, *, side_px: int = THUMBNAIL_PX, enlarge: bool = False
) -> str | None:
    """Shrink a photo (path or bytes) to a JPEG data URI, at most `side_px` on its longer side.

    With `enlarge`, a smaller photo grows to it. None where there is no photo, it is gone, or it
    can't be read: a page lacks a picture then, no more.
    """
    if source is None:
        return None
    try:
        photo = decode_photo(source, min_side_px=side_px, longer_side=True)
    except PhotoError:
        return None
    scale = side_px / max(photo.width_px, photo.height_px)
    scale = scale if enlarge else min(1.0, scale)
    size = (max(1, round(photo.width_px * scale)), max(1, round(photo.height_px * scale)))
    return jpeg_uri(photo.image.resize(size, Image.Resampling.BICUBIC, box=photo.box))
