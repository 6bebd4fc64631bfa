"""From a photo to a model's square input, in one resize.

The same pixels as timm's evaluation transform (resize, then crop), without drawing what the crop
throws away.
"""

import math
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from .load import DEFAULT_MAX_PIXELS, DecodedPhoto, decode_photo, photo_bytes

CropMode: TypeAlias = Literal["center", "squash", "border"]


def square(
    photo: DecodedPhoto, side_px: int, crop_fraction: float, crop_mode: CropMode = "center"
) -> npt.NDArray[np.uint8]:
    """Resize and crop a photo to a square, bicubic and antialiased.

    Parameters
    ----------
    photo
        What `decode_photo` returns.
    side_px
        The square's side.
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
    resized = _resized_size(
        photo.width_px, photo.height_px, resize_side_px(side_px, crop_fraction), crop_mode
    )
    left, top, right, bottom = photo.box
    (x0, x1, n_columns) = _window(resized[0], side_px, left, right)
    (y0, y1, n_rows) = _window(resized[1], side_px, top, bottom)
    picture = photo.image.resize(
        (n_columns, n_rows), Image.Resampling.BICUBIC, box=(x0, y0, x1, y1)
    )
    if picture.size == (side_px, side_px):
        return np.array(picture)
    canvas = Image.new("RGB", (side_px, side_px), "white")
    canvas.paste(picture, ((side_px - n_columns) // 2, (side_px - n_rows) // 2))
    return np.array(canvas)


def load_square(
    source: str | Path | bytes,
    side_px: int,
    crop_fraction: float,
    crop_mode: CropMode = "center",
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    allow_truncated: bool = False,
    draft: bool = True,
) -> npt.NDArray[np.uint8]:
    """Read, decode and resize a photo: `photo_bytes`, `decode_photo` and `square` in one.

    Parameters
    ----------
    source
        A path, or the file's bytes.
    side_px, crop_fraction, crop_mode
        See `square`.
    max_pixels, allow_truncated
        See `decode_photo`.
    draft
        Decode JPEGs at the smallest size that leaves twice the pixels needed: several times faster,
        almost the same pixels.

    Returns
    -------
    np.ndarray
        Shape ``(side_px, side_px, 3)``, RGB, 0 to 255.

    Raises
    ------
    PhotoError
        If the photo can't be used; see `decode_photo`.
    """
    photo = decode_photo(
        photo_bytes(source),
        max_pixels=max_pixels,
        allow_truncated=allow_truncated,
        min_side_px=2 * resize_side_px(side_px, crop_fraction) if draft else None,
        longer_side=crop_mode == "border",
        name="photo" if isinstance(source, bytes) else str(source),
    )
    return square(photo, side_px, crop_fraction, crop_mode)


def resize_side_px(side_px: int, crop_fraction: float) -> int:
    """Give the side that a photo is resized to before `side_px` of it are cropped out."""
    if side_px < 1:
        raise ValueError(f"side_px must be at least 1, got {side_px}.")
    if not 0 < crop_fraction <= 1:
        raise ValueError(f"crop_fraction must be above 0 and at most 1, got {crop_fraction}.")
    return math.floor(side_px / crop_fraction)


def _resized_size(width: int, height: int, side: int, crop_mode: CropMode) -> tuple[int, int]:
    """Whole pixels, rounded as torchvision (`center`) and timm (`border`) round them."""
    if crop_mode == "squash":
        return side, side
    if crop_mode == "center":
        shorter = min(width, height)
        return side * width // shorter, side * height // shorter
    if crop_mode == "border":
        ratio = max(width, height) / side
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    raise ValueError(f"crop_mode must be center, squash or border, got {crop_mode!r}.")


def _window(resized: int, side: int, low: float, high: float) -> tuple[float, float, int]:
    """One axis: where the middle `side` of `resized` pixels lie between `low` and `high`.

    Returns the two ends, and how many pixels are drawn: fewer than `side` where padding follows.
    """
    drawn = min(resized, side)
    first = round((resized - drawn) / 2)
    scale = (high - low) / resized
    return low + first * scale, min(low + (first + drawn) * scale, high), drawn
