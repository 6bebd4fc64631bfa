"""From a photo to a model's square input, in one resize.

The same pixels as timm's evaluation transform (resize, then crop). PyTorch draws whole photos, many
times faster than Pillow; where the crop throws most away, Pillow draws the rest alone.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from .load import DEFAULT_LIMITS, DecodedPhoto, PhotoLimits, decode_photo

CropMode: TypeAlias = Literal["center", "squash", "border"]
Decode: TypeAlias = Literal["full", "normal", "fast"]
OVERSAMPLING: dict[Decode, int | None] = {"full": None, "normal": 4, "fast": 1}
"""How many times the pixels needed a JPEG is decoded to at least, on each side."""
WASTE = 4
"""Pillow draws the crop alone where the whole photo has more than so many times its pixels."""


def square(
    photo: DecodedPhoto, side_px: int, crop_fraction: float, crop_mode: CropMode = "center"
) -> npt.NDArray[np.uint8]:
    """Resize and crop a photo to a square, bicubic and antialiased.

    Parameters
    ----------
    crop_fraction
        Share of the resized photo's side that the square shows, above 0, up to 1.
    crop_mode
        ``center`` takes the middle of the shorter side's square, ``squash`` of the photo stretched
        to a square, ``border`` of the photo padded with white to a square.

    Returns
    -------
    np.ndarray
        Shape ``(side_px, side_px, 3)``, RGB, 0 to 255.
    """
    photo_px = photo.width_px, photo.height_px
    width, height = resized_size(photo_px, side_px, crop_fraction, crop_mode)
    if width * height > WASTE * side_px**2:
        picture = _part(photo, width, height, side_px)
    else:
        left, top = (round(max(0, size - side_px) / 2) for size in (width, height))
        picture = resized(photo, width, height)[top : top + side_px, left : left + side_px]
    if picture.shape[:2] == (side_px, side_px):
        return np.ascontiguousarray(picture)
    n_rows, n_columns = picture.shape[:2]
    top, left = (side_px - n_rows) // 2, (side_px - n_columns) // 2
    canvas = np.full((side_px, side_px, 3), 255, dtype=np.uint8)
    canvas[top : top + n_rows, left : left + n_columns] = picture
    return canvas


def decode_for_square(
    source: str | Path | bytes,
    side_px: int,
    crop_fraction: float,
    crop_mode: CropMode = "center",
    limits: PhotoLimits = DEFAULT_LIMITS,
    decode: Decode = "normal",
) -> DecodedPhoto:
    """Read and decode a photo (path or bytes) as finely as `square` needs it.

    Parameters
    ----------
    side_px, crop_fraction, crop_mode
        Of the square; see `square`.
    decode
        JPEGs can be decoded at a fraction of their size. ``normal`` does it where four times the
        pixels needed are left on each side (almost the same pixels, and large photos take less
        memory), ``fast`` where just enough are left, ``full`` never.

    Raises
    ------
    PhotoError
        If the photo can't be used; see `decode_photo`.
    """
    oversampling = OVERSAMPLING[decode]
    return decode_photo(
        source,
        min_side_px=oversampling and oversampling * resize_side_px(side_px, crop_fraction),
        longer_side=crop_mode == "border",
        **vars(limits),
    )


def load_square(
    source: str | Path | bytes,
    side_px: int,
    crop_fraction: float,
    crop_mode: CropMode = "center",
    limits: PhotoLimits = DEFAULT_LIMITS,
    decode: Decode = "normal",
) -> npt.NDArray[np.uint8]:
    """Read, decode and resize a photo: `decode_for_square`, then `square`, with what they take.

    Raises PhotoError if it can't be used.
    """
    photo = decode_for_square(source, side_px, crop_fraction, crop_mode, limits, decode)
    return square(photo, side_px, crop_fraction, crop_mode)


def resize_side_px(side_px: int, crop_fraction: float) -> int:
    """Give the side that a photo is resized to before `side_px` of it are cropped out."""
    if side_px < 1:
        raise ValueError(f"side_px must be at least 1, got {side_px}.")
    if not 0 < crop_fraction <= 1:
        raise ValueError(f"crop_fraction must be above 0 and at most 1, got {crop_fraction}.")
    return math.floor(side_px / crop_fraction)


def resized_size(
    photo_px: tuple[int, int], side_px: int, crop_fraction: float, crop_mode: CropMode
) -> tuple[int, int]:
    """Give a photo's size before the crop, rounded as torchvision (center), timm (border) do."""
    (width, height), side = photo_px, resize_side_px(side_px, crop_fraction)
    if crop_mode == "squash":
        return side, side
    if crop_mode == "center":
        shorter = min(width, height)
        return side * width // shorter, side * height // shorter
    if crop_mode == "border":
        ratio = max(width, height) / side
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    raise ValueError(f"crop_mode must be center, squash or border, got {crop_mode!r}.")


def resized(
    photo: DecodedPhoto, width: int, height: int, *, bilinear: bool = False
) -> npt.NDArray[np.uint8]:
    """Draw the whole photo, bicubic and antialiased: PyTorch's equals Pillow's but for rounding.

    Shape ``(height, width, 3)``, RGB, 0 to 255.
    """
    import torch

    aten = torch.ops.aten
    draw = aten._upsample_bilinear2d_aa if bilinear else aten._upsample_bicubic2d_aa
    left, top, right, bottom = photo.box
    # PyTorch takes a box that starts at 0, so what lies at the other end is turned round
    turned = tuple(axis for axis, offset in ((0, top), (1, left)) if offset > 0)
    pixels = photo.pixels.flip(turned) if turned else photo.pixels
    drawn = draw(
        pixels.permute(2, 0, 1)[None],
        [height, width],
        False,  # corners aren't aligned
        height / (bottom - top),
        width / (right - left),
    )
    return np.flip(drawn[0, :3].permute(1, 2, 0).numpy(), turned)


def _part(photo: DecodedPhoto, width: int, height: int, side: int) -> npt.NDArray[np.uint8]:
    """Draw only the middle of the photo."""
    left, top, right, bottom = photo.box
    (x0, x1, n_columns) = _window(width, side, left, right)
    (y0, y1, n_rows) = _window(height, side, top, bottom)
    drawn = photo.image.resize((n_columns, n_rows), Image.Resampling.BICUBIC, box=(x0, y0, x1, y1))
    return np.array(drawn)


def _window(resized: int, side: int, low: float, high: float) -> tuple[float, float, int]:
    """One axis: where the middle `side` of `resized` pixels lie between `low` and `high`.

    The two ends, and how many pixels are drawn: fewer than `side` where padding follows.
    """
    drawn = min(resized, side)
    first = round((resized - drawn) / 2)
    scale = (high - low) / resized
    return low + first * scale, min(low + (first + drawn) * scale, high), drawn


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the backbone's input; part of the fingerprint.

    See `square` and `decode_for_square`. `mean` and `std` are per channel, for pixels from 0 to 1.
    """

    side_px: int
    crop_fraction: float
    crop_mode: CropMode
    mean: tuple[float, ...]
    std: tuple[float, ...]
    decode: Decode = "normal"


class SquareInput:
    """What an image encoder does in threads, before its model's turn."""

    preprocessing: Preprocessing

    def decode(self, source: Any, limits: PhotoLimits) -> DecodedPhoto:
        """Read and decode one photo (path or bytes).

        Raises
        ------
        PhotoError
            If the photo can't be used.
        """
        to = self.preprocessing
        return decode_for_square(
            source, to.side_px, to.crop_fraction, to.crop_mode, limits, to.decode
        )

    def prepare(self, photo: DecodedPhoto) -> npt.NDArray[np.uint8]:
        """Frame and resize a photo to shape ``(side_px, side_px, 3)``."""
        to = self.preprocessing
        return square(photo, to.side_px, to.crop_fraction, to.crop_mode)
