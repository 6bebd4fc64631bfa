"""When, and by which camera model, a photo was taken."""

from pathlib import Path

from . import formats
from .exif import Capture, exif_capture

_HEAD_BYTES = 2**18
"""So far into a file its header is looked for; an EXIF block of a JPEG has at most 2^16 bytes."""


def capture_of(source: str | Path | bytes | None) -> Capture | None:
    """Read a photo's time of capture from its header; None where there is none, or no such photo.

    Parameters
    ----------
    source
        A path, or the file's bytes.
    """
    if source is None:
        return None
    try:
        if isinstance(source, bytes):
            head = source[:_HEAD_BYTES]
        else:
            with Path(source).open("rb") as file:
                head = file.read(_HEAD_BYTES)
        kind = formats.identify(head)
        if kind is None:
            return None
        with formats.quiet_pillow():
            image = formats.open_photo(kind, formats.PhotoFile(head))
        return exif_capture(image.info.get("exif", b""))
    except Exception:  # noqa: BLE001 (Pillow raises whatever a malformed file trips)
        return None
