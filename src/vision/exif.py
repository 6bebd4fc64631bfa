"""The few EXIF tags that are needed, read one by one: all may claim the same megabytes."""

import struct
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

_ORIENTATION, _MODEL, _EXIF_FOLDER, _TAKEN = 0x0112, 0x0110, 0x8769, 0x9003
_TEXT, _LONG = 2, 4
_MAX_TEXT = 64


class Capture(NamedTuple):
    """Which camera model took a photo (may be empty), and when, by its own clock."""

    camera: str
    taken: datetime


class _Tag(NamedTuple):
    number: int
    kind: int
    size: int
    place: int
    """Where its value lies in the block, or the offset of a value of more than four bytes."""


def exif_orientation(exif: bytes) -> int:
    """Read only the orientation, 1 (upright) to 8, from an EXIF block; 1 where it can't be told."""
    tiff, order = _opened(exif)
    try:
        for tag in _tags(tiff, order):
            if tag.number == _ORIENTATION:
                kind = "L" if tag.kind == _LONG else "H"
                (value,) = struct.unpack_from(order + kind, tiff, tag.place)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass  # a cut-off EXIF block costs the orientation, not the photo
    return 1


def exif_capture(exif: bytes) -> Capture | None:
    """Read when a photo was taken (DateTimeOriginal), and by which model; None if it isn't told."""
    tiff, order = _opened(exif)
    try:
        first = {tag.number: tag for tag in _tags(tiff, order)}
        if _EXIF_FOLDER not in first:
            return None
        (start,) = struct.unpack_from(f"{order}L", tiff, first[_EXIF_FOLDER].place)
        inner = {tag.number: tag for tag in _tags(tiff, order, start)}
        taken = _text(tiff, order, inner.get(_TAKEN))
        camera = _text(tiff, order, first.get(_MODEL))
        return Capture(camera, datetime.strptime(taken, "%Y:%m:%d %H:%M:%S"))
    except (struct.error, ValueError):
        return None


def _opened(exif: bytes) -> tuple[bytes, str]:
    """Give the TIFF block inside, and its byte order; an empty one where it is neither."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    return (tiff, order) if order else (b"", "<")


def _tags(tiff: bytes, order: str, start: int | None = None) -> Iterator[_Tag]:
    """Walk through the tags of a folder, by default the first one's."""
    if not tiff:
        return
    if start is None:
        (start,) = struct.unpack_from(f"{order}L", tiff, 4)
    (n_tags,) = struct.unpack_from(f"{order}H", tiff, start)
    for position in range(start + 2, start + 2 + 12 * n_tags, 12):
        number, kind, size = struct.unpack_from(f"{order}HHL", tiff, position)
        yield _Tag(number, kind, size, position + 8)


def _text(tiff: bytes, order: str, tag: _Tag | None) -> str:
    if tag is None or tag.kind != _TEXT:
        return ""
    place = tag.place
    if tag.size > 4:
        (place,) = struct.unpack_from(f"{order}L", tiff, place)
    text = tiff[place : place + min(tag.size, _MAX_TEXT)].partition(b"\0")[0]
    return text.decode("ascii", "replace").strip()
