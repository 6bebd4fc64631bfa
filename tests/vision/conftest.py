"""Photos in every accepted format, and files that only look like one; drawn anew for each run."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _tiff(n_tags: int, tag_bytes: int) -> bytes:
    """A TIFF structure whose tags all claim the same `tag_bytes`."""
    tags = b"".join(struct.pack("<HHLL", 700 + i, 7, tag_bytes, 8) for i in range(n_tags))
    head = b"II*\0" + struct.pack("<L", 8 + tag_bytes) + bytes(tag_bytes)
    return head + struct.pack("<H", n_tags) + tags + bytes(4)


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """48 x 32 px: four flat quarters (red, green, blue, near-white), so that a turn shows."""
    pixels = np.empty((32, 48, 3), np.uint8)
    pixels[:16, :24], pixels[:16, 24:] = (220, 20, 20), (20, 200, 20)
    pixels[16:, :24], pixels[16:, 24:] = (20, 20, 220), (240, 240, 240)
    return Image.fromarray(pixels)


@pytest.fixture(scope="session")
def photos(picture: Image.Image) -> dict[str, bytes]:
    """Valid files of the picture, one a format and coding."""
    exif = Image.Exif()
    exif[0x0112] = 1
    still = {"exif": exif.tobytes()}
    frames = {"save_all": True, "append_images": [Image.new("RGB", picture.size, "black")]}
    return {
        "jpeg": _encoded(picture, "JPEG", quality=95, **still),
        "jpeg-progressive": _encoded(picture, "JPEG", quality=95, progressive=True),
        "jpeg-cmyk": _encoded(picture.convert("CMYK"), "JPEG", quality=95),
        "jpeg-mpo": _encoded(picture, "MPO", quality=95, **frames),
        "png": _encoded(picture, "PNG", **still),
        "png-palette": _encoded(picture.quantize(8), "PNG"),
        "png-animated": _encoded(picture, "PNG", **frames),
        "gif": _encoded(picture, "GIF"),
        "gif-animated": _encoded(picture, "GIF", **frames),
        "bmp": _encoded(picture, "BMP"),
        "tiff": _encoded(picture, "TIFF"),
        "tiff-lzw": _encoded(picture, "TIFF", compression="tiff_lzw"),
        "tiff-cmyk": _encoded(picture.convert("CMYK"), "TIFF"),
        "webp": _encoded(picture, "WEBP", quality=95, **still),
        "webp-lossless": _encoded(picture, "WEBP", lossless=True),
        "webp-animated": _encoded(picture, "WEBP", lossless=True, **frames),
        "avif": _encoded(picture, "AVIF", quality=95),
    }


@pytest.fixture(scope="session")
def bombs(picture: Image.Image) -> dict[str, bytes]:
    """Files of a few kilobytes up to two megabytes that ask for far more than they hold."""
    magic = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 3, 0, 0, 0)
    # The frame's disposal makes Pillow fill the whole canvas while it opens the file.
    frame = struct.pack(">IIIIIHHBB", 0, 60_000, 60_000, 0, 0, 1, 1, 1, 0)
    png_pixels = magic + b"".join(
        _png_chunk(kind, body)
        for kind, body in (
            (b"IHDR", header),
            (b"PLTE", bytes(3)),
            (b"acTL", struct.pack(">II", 1, 0)),
            (b"fcTL", frame),
            (b"IDAT", zlib.compress(bytes(10_000))),
            (b"IEND", b""),
        )
    )
    png = _encoded(picture, "PNG")
    text = _png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000)))
    jpeg = _encoded(picture, "JPEG")
    tags = _tiff(3_000, 1_000_000)
    # Pillow would read the tags while saving, so they take the place of others of their length.
    harmless = b"II*\0" + struct.pack("<L", 8) + b"\0\0" + bytes(len(tags) - 10)
    sections = [tags[i : i + 65_000] for i in range(0, len(tags), 65_000)]
    app1 = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in sections
    )
    jpeg_start = jpeg.index(b"\xff\xdb")  # past the JFIF header, whose dpi would hide the EXIF
    return {
        "png-pixels": png_pixels,
        "png-text": png[:33] + text + png[33:],
        "gif-pixels": b"GIF89a"
        + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0)
        + b"!\xf9\4\x08\0\0\0\0,"
        + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0)
        + b"\2\1D\0;",
        "bmp-pixels": b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 1000, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "gif-comment": b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
        + b"!\xfe"
        + (b"\xff" + bytes(255)) * 100_000
        + b"\0;",
        "tiff-tags": tags,
        "jpeg-tags": b"\xff\xd8" + app1 + jpeg[jpeg_start:],
        "avif-tags": _encoded(picture, "AVIF", exif=harmless).replace(harmless, tags),
    }
