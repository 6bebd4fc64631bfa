"""Which files count as photos, and how Pillow opens them without trusting them.

Pillow's own `Image.open` is passed by: it warns or refuses by a process-wide pixel limit, guesses
among all of its formats, and lets a file's metadata decide how much memory is read. Here a table of
first bytes picks one plugin, and nothing process-wide is changed.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..core.errors import UnreadablePhotoError

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"


class _JpegFile(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave the EXIF block unread: its tags may all point at the same megabytes."""


class _GifFile(GifImageFile):
    n_blocks = 0

    def data(self) -> bytes | None:
        """Read a block of a comment, up to a mebibyte: joining many takes quadratic time."""
        self.n_blocks += 1
        if self.n_blocks > 4096:
            raise UnreadablePhotoError("its comments may take a mebibyte, but don't end there")
        return super().data()


_PHOTOS: dict[str, tuple[re.Pattern[bytes], Callable[[io.BytesIO], ImageFile]]] = {
    "JPEG": (re.compile(rb"\xff\xd8\xff"), _JpegFile),
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    "WebP": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    "GIF": (re.compile(rb"GIF8[79]a"), _GifFile),
    "BMP": (
        re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
        BmpImageFile,
    ),
    "TIFF": (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    "AVIF": (re.compile(rb".{4}ftyp(avi[fs]|mif1|msf1)", re.DOTALL), AvifImageFile),
}
_OTHERS = {
    "a PDF": re.compile(rb"%PDF"),
    "PostScript": re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"),
    "a Photoshop file": re.compile(rb"8BPS"),
    "a HEIC photo": re.compile(rb".{4}ftyp(hei[cmsx]|hev[cmsx])", re.DOTALL),
    "JPEG 2000": re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    "JPEG XL": re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"),
    "an icon": re.compile(rb"\0\0[\x01\x02]\0"),
    "a video": re.compile(rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", re.DOTALL),
    "a ZIP archive": re.compile(rb"PK\x03\x04"),
    "gzip data": re.compile(rb"\x1f\x8b"),
    "an SVG drawing": re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<svg", re.DOTALL),
    "a web page": re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.IGNORECASE),
    "XML": re.compile(rb"\s*<\?xml"),
    "text": re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{16,}\Z"),
}
# The AVIF plugin would read every tag of an EXIF item, and a megabyte of tags can ask for
# gigabytes. By the AVIF standard orientation lies outside EXIF, so the item is renamed away.
_AVIF_EXIF = re.compile(rb"(infe[\x02\x03].{7}(?:..)?)Exif", re.DOTALL)


def identify(data: bytes) -> str | None:
    """Name the photo format that a file's first bytes stand for, ``None`` if it's none of ours."""
    return next((name for name, (magic, _) in _PHOTOS.items() if magic.match(data)), None)


def describe(data: bytes) -> str:
    """Say what a file that is no photo looks like, for an error message."""
    start = data[:512]
    known = next((name for name, magic in _OTHERS.items() if magic.match(start)), None)
    return known or f"unknown data starting with the bytes {data[:8].hex(' ')}"


class PhotoFile(io.BytesIO):
    """A file in memory that notices being read past its end, and being read too often."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.ran_out = False
        # Reading header, tags and pixels takes each byte a handful of times. A file whose tags
        # all claim the same bytes would be read, and kept in memory, thousands of times.
        self._allowance = 8 * len(data) + 2**20

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does."""
        chunk = super().read(size)
        self.ran_out |= not chunk and size != 0
        self._allowance -= len(chunk)
        if self._allowance < 0:
            raise UnreadablePhotoError("its tags claim the same bytes over and over")
        return chunk


def open_photo(name: str, file: PhotoFile) -> ImageFile:
    """Read the header of a file that `identify` named; pixels stay undecoded."""
    if name == "AVIF":
        file = PhotoFile(_AVIF_EXIF.sub(rb"\1free", file.getvalue()))
    return _PHOTOS[name][1](file)


def ends_early(name: str, file: PhotoFile, error: Exception) -> bool:
    """Tell a file that was cut off from one that is broken, once decoding it has failed."""
    data = file.getvalue()
    if name == "PNG":
        return b"IEND\xaeB`\x82" not in data  # the last chunk with its checksum
    if name == "WebP":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if name == "AVIF":
        end = 0
        while end + 8 <= len(data) and (size := int.from_bytes(data[end : end + 4], "big")) >= 8:
            end += size
        return end > len(data) or 0 < len(data) - end < 8
    return file.ran_out or "truncated" in str(error).lower()


UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_decoding: ContextVar[bool] = ContextVar("_decoding", default=False)


class _PillowWhileDecoding:
    """Stands where a warning filter keeps its module pattern."""

    pattern = "(?!)"
    """What scikit-learn copies into its workers, which decode nothing: it matches no module."""

    @staticmethod
    def match(module: str) -> bool:
        return _decoding.get() and module.startswith("PIL.")


_FILTER: Any = ("ignore", None, Warning, _PillowWhileDecoding(), 0)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Drop Pillow's warnings (odd tags, many pixels) in this thread, inside this block only.

    `warnings.catch_warnings` swaps the filters of the whole process and can leave another thread's
    behind. One filter that stays, and matches nothing outside of a decoding thread, can't.
    """
    if _FILTER not in warnings.filters:
        cast(list[Any], warnings.filters).insert(0, _FILTER)
    token = _decoding.set(True)
    try:
        yield
    finally:
        _decoding.reset(token)
