"""Small pictures for a page: made in memory, so that no path of this machine reaches a browser."""

import base64
import io
from pathlib import Path

from PIL import Image

from ...core.errors import PhotoError
from ...vision.load import decode_photo, photo_bytes

THUMBNAIL_PX = 240


def thumbnail_uri(source: str | Path | bytes | None, *, side_px: int = THUMBNAIL_PX) -> str | None:
    """Shrink a photo to a JPEG data URI; re-encoding leaves its metadata behind.

    Parameters
    ----------
    source
        A path, or the file's bytes.
    side_px
        The longer side of the result, at most.

    Returns
    -------
    str or None
        None where there is no photo, it is gone, or it can't be read: a page lacks a picture then,
        no more.
    """
    if source is None:
        return None
    try:
        photo = decode_photo(photo_bytes(source), min_side_px=side_px, longer_side=True)
    except PhotoError:
        return None
    scale = min(1.0, side_px / max(photo.width_px, photo.height_px))
    size = (max(1, round(photo.width_px * scale)), max(1, round(photo.height_px * scale)))
    small = photo.image.resize(size, Image.Resampling.BICUBIC, box=photo.box)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
