"""Photos from anywhere, decoded without trusting them: every failure is a PhotoError.

Colour profiles are left out: the encoders were trained on plain decoded pixels as well.
"""

import struct
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from ..core.errors import OversizedPhotoError, PhotoError, TruncatedPhotoError, UnreadablePhotoError
from . import formats
from .exif import exif_orientation

if TYPE_CHECKING:
    import torch

DEFAULT_MAX_PIXELS = 100_000_000
DEFAULT_MAX_BYTES = 100_000_000
MAX_SCANS = 16
"""Times that each of the pixels allowed may be written by a progressive JPEG; usual are ten."""
LARGE_PIXELS = 16_000_000
_LARGE = threading.Lock()
"""One large photo is decoded at a time: each takes up to a gigabyte meanwhile."""


@dataclass(frozen=True)
class PhotoLimits:
    """What a photo may be; larger or truncated ones are refused."""

    max_pixels: int = DEFAULT_MAX_PIXELS
    allow_truncated: bool = False


DEFAULT_LIMITS = PhotoLimits()


@dataclass(frozen=True)
class DecodedPhoto:
    """An upright RGB photo, possibly decoded at a fraction of its size.

    Parameters
    ----------
    image
        RGB, turned upright.
    width_px, height_px
        The upright photo's size in the file, before any reduction.
    box
        ``(left, top, right, bottom)`` of the whole photo inside `image`, in its pixels. A photo of
        1001 pixels decoded at an eighth is 125.125 wide, in an image of 126: the rest repeats the
        edge and is no part of the photo.
    """

    image: Image.Image
    width_px: int
    height_px: int
    box: tuple[float, float, float, float]

    @cached_property
    def pixels(self) -> "torch.Tensor":
        """All of `image`, uint8, shape ``(height, width, 3 or 4)``; a fourth channel is padding.

        Pillow keeps it so, and where an image lies in one piece, it isn't copied: that takes a
        third as long as decoding.
        """
        import pyarrow as pa
        import torch

        try:
            flat = torch.utils.dlpack.from_dlpack(pa.array(self.image).values)
        except ValueError:  # in several pieces
            return torch.from_numpy(np.array(self.image))
        return flat.view(self.image.height, self.image.width, -1)


def photo_bytes(source: str | Path | bytes, *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Return a photo's encoded bytes: read from a path, or passed on.

    Raises
    ------
    OversizedPhotoError
        If there are more than `max_bytes`.
    UnreadablePhotoError
        If there is none, it is empty, a folder, or may not be read.
    """
    if isinstance(source, bytes):
        name, data = "photo", source
    else:
        name = str(source)
        try:
            with Path(source).open("rb") as file:
                data = file.read(max_bytes + 1)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            reason = getattr(error, "strerror", None) or str(error)
            raise UnreadablePhotoError(
                f"{name}: a photo must be a readable file, but: {reason}. Check the path."
            ) from error
    if not data:
        raise UnreadablePhotoError(f"{name}: a photo must not be empty, got 0 bytes. Upload again.")
    if len(data) > max_bytes:
        raise OversizedPhotoError(
            f"{name}: a photo may have at most {max_bytes:,} bytes, got more. Shrink it."
        )
    return data


def decode_photo(
    source: str | Path | bytes,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    allow_truncated: bool = False,
    min_side_px: int | None = None,
    longer_side: bool = False,
    name: str | None = None,
) -> DecodedPhoto:
    """Decode JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF to upright RGB; of an animation, frame one.

    Transparency is laid on white. Safe to call from many threads.

    Parameters
    ----------
    source
        A path, or the file's bytes.
    max_pixels
        Refuse photos whose header declares more; nothing is decoded then.
    allow_truncated
        Of a file that ends early, take what is there; missing rows are black or grey. WebP, AVIF
        and compressed TIFF can't be read in part.
    min_side_px
        Let JPEGs be decoded at 1/2, 1/4 or 1/8 while the shorter side keeps this many pixels.
    longer_side
        It is the longer side that must keep them: enough where the whole photo is fitted.
    name
        How error messages call the photo; its path by default.

    Raises
    ------
    OversizedPhotoError, TruncatedPhotoError, UnreadablePhotoError
        If the photo can't be used; all are PhotoError.
    """
    if min_side_px is not None and min_side_px < 1:
        raise ValueError(f"min_side_px must be at least 1, got {min_side_px}.")
    name = name or ("photo" if isinstance(source, bytes) else str(source))
    data = photo_bytes(source)
    kind = formats.identify(data)
    if kind is None:
        raise UnreadablePhotoError(
            f"{name}: a photo must be {formats.ACCEPTED}, got {formats.describe(data)}. Convert it."
        )
    # A cut-off JPEG gets its end marker back: the decoder then fills what is missing.
    file = formats.PhotoFile(data + b"\xff\xd9" if allow_truncated and kind == "JPEG" else data)
    try:
        with formats.quiet_pillow():
            if kind == "PNG":  # its plugin may fill a frame before the size can be asked for
                width, height = struct.unpack_from(">II", data, 16)
                _check_pixels(width, height, max_pixels)
            image = formats.open_photo(kind, file)
            width, height = image.size
            _check_pixels(width, height, max_pixels)
            if kind == "JPEG":
                _check_scans(data, width * height, max_pixels)
            least = _least_size(width, height, min_side_px or 0, longer_side=longer_side)
            reduced = image.draft(None, least) if min_side_px else None
            _, _, right, bottom = reduced[1] if reduced else (0, 0, width, height)
            with _LARGE if image.width * image.height > LARGE_PIXELS else nullcontext():
                _load_pixels(image, allow_truncated=allow_truncated)
                return _upright(image, width, height, right, bottom)
    except PhotoError as error:
        raise type(error)(f"{name}: {error}") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise OversizedPhotoError(f"{name}: too large to decode ({error}). Shrink it.") from error
    # Pillow's plugins raise whatever a malformed file happens to trip.
    except Exception as error:
        if formats.ends_early(kind, file, error):
            raise TruncatedPhotoError(
                f"{name}: the {kind} file must be whole, but ends early, after {len(data):,} bytes "
                f"({error}). Upload again, or pass --allow-truncated."
            ) from error
        raise UnreadablePhotoError(
            f"{name}: the {kind} file must be intact, but decoding says: "
            f"{error or type(error).__name__}. Save it again."
        ) from error


def _least_size(width: int, height: int, px: int, *, longer_side: bool) -> tuple[int, int]:
    if not longer_side:
        return px, px
    longer = max(width, height)
    return max(1, px * width // longer), max(1, px * height // longer)


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise OversizedPhotoError(
            f"a photo may have at most {max_pixels:,} pixels, got {width} x {height} = "
            f"{width * height:,}. Shrink it, or raise --max-pixels."
        )


def _check_scans(data: bytes, n_pixels: int, max_pixels: int) -> None:
    n_scans = data.count(b"\xff\xda")
    if n_scans * n_pixels > MAX_SCANS * max_pixels:
        raise OversizedPhotoError(
            f"a progressive JPEG may have at most {MAX_SCANS * max_pixels // n_pixels:,} scans of "
            f"{n_pixels:,} pixels, got {n_scans:,}. Save it anew."
        )


def _load_pixels(image: ImageFile, *, allow_truncated: bool) -> None:
    try:
        image.load()
    except (OSError, SyntaxError):
        # Pillow has a process-wide switch for this; with no tile left to decode, this one image
        # hands out what it holds. A turned TIFF isn't turned yet, so its size disagrees.
        if not (allow_truncated and image.tile and image.im.size == image.size):
            raise
        image.tile = []


def _upright(
    image: Image.Image, width: int, height: int, right: float, bottom: float
) -> DecodedPhoto:
    """Apply the orientation to the pixels, the size and the box alike."""
    turn = exif_orientation(image.info.get("exif", b""))
    image = _rgb(image)
    if turn in formats.UPRIGHT:
        image = image.transpose(formats.UPRIGHT[turn])
    if turn >= 5:
        width, height, right, bottom = height, width, bottom, right
    left = image.width - right if turn in {2, 3, 6, 7} else 0.0
    top = image.height - bottom if turn in {3, 4, 7, 8} else 0.0
    return DecodedPhoto(image, width, height, (left, top, left + right, top + bottom))


def _rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: transparency on white, 16 bits scaled to 8."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
        image = Image.fromarray(grey.astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise UnreadablePhotoError(
            "a photo must have 8 or 16 bits a channel, got 32-bit samples, which have no agreed "
            "white. Save it with 8 or 16 bits."
        )
    if "transparency" in image.info or image.mode in {"RGBA", "RGBa", "LA", "La", "PA"}:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer.getchannel("A"))
    return image if image.mode == "RGB" else image.convert("RGB")
