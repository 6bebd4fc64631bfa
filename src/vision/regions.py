"""A photo in regions: a grid over what the model sees of it, and each region left or blurred."""

from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..core.arrays import Bools, Ints
from .preprocess import Preprocessing, resized_size

Square: TypeAlias = npt.NDArray[np.uint8]
GRID = (4, 4)
"""Rows and columns."""


class Box(NamedTuple):
    """A rectangle, its right and bottom edges outside of it."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def framing(preprocessing: Preprocessing, photo_px: tuple[int, int]) -> tuple[Box, Box]:
    """Tell what of the model's input is photo, and what of the photo is in the input.

    Parameters
    ----------
    photo_px
        Width and height of the upright photo.

    Returns
    -------
    Box, Box
        In shares of the input's sides (padding is left out), and of the photo's (what is cropped).
    """
    side, mode = preprocessing.side_px, preprocessing.crop_mode
    resized = resized_size(photo_px, side, preprocessing.crop_fraction, mode)
    inside, seen = [], []
    for length in resized:
        padding, cropped = max(0, (side - length) // 2), max(0, round((length - side) / 2))
        shown = min(length, side)
        inside.append((padding / side, (padding + shown) / side))
        seen.append((cropped / length, (cropped + shown) / length))
    (left, right), (top, bottom) = inside
    (seen_left, seen_right), (seen_top, seen_bottom) = seen
    return Box(left, top, right, bottom), Box(seen_left, seen_top, seen_right, seen_bottom)


def region_numbers(side_px: int, box: Box = WHOLE, grid: tuple[int, int] = GRID) -> Ints:
    """Number each pixel's region, row by row; padding belongs to the region beside it.

    >>> region_numbers(4, grid=(2, 2)).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    """
    places = (np.arange(side_px) + 0.5) / side_px
    along = [
        np.clip((places - low) / (high - low) * n, 0, n - 1).astype(np.intp)
        for low, high, n in ((box.top, box.bottom, grid[0]), (box.left, box.right, grid[1]))
    ]
    return np.asarray(along[0][:, None] * grid[1] + along[1])


def blurred(pixels: Square, box: Box = WHOLE, grid: tuple[int, int] = GRID) -> Square:
    """Blur the photo in its box by half a region: colours stay about where they were, shapes go."""
    side = len(pixels)
    left, top, right, bottom = (round(edge * side) for edge in box)
    inside = pixels[top:bottom, left:right]
    sigma = max(1.0, 0.5 * min(inside.shape[0] / grid[0], inside.shape[1] / grid[1]))
    found = pixels.copy()
    found[top:bottom, left:right] = cv2.GaussianBlur(
        inside, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE
    )
    return found


def with_regions(pixels: Square, without: Square, numbers: Ints, kept: Bools) -> Square:
    """Show some regions as they are and the others as `without` shows them.

    Parameters
    ----------
    kept
        Shape ``(m, n_regions)``.

    Returns
    -------
    np.ndarray
        Shape ``(m, side_px, side_px, 3)``.
    """
    return np.where(kept[:, numbers][..., None], pixels, without)
