"""What can be measured of a photo's pixels: sharpness, clipped colours, frames.

Each measure is blind to what is normal for product photos: a white, empty background.
"""

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..core.arrays import Floats

Pixels: TypeAlias = npt.NDArray[np.uint8]
N_TILES = 8
WHITE = 235
"""From here on, in every channel, an edge is a white background, as product photos have it."""
SAME_COLOUR = 12
"""Channels that differ by no more than this from the frame's colour belong to the frame."""


def sharpness(grey: Pixels) -> float:
    """Compare second with first differences where the grey photo has most edges.

    The variance of the Laplacian alone calls a plain product on white blurred, and a grainy blur
    sharp. Its ratio to the gradient doesn't depend on contrast; taken in the quarter of the tiles
    with the strongest edges, it doesn't depend on the background; the best tile counts, so that
    depth of field is no fault.
    """
    bends = _tiles(cv2.Laplacian(grey, cv2.CV_32F))
    slopes = [_tiles(cv2.Sobel(grey, cv2.CV_32F, x, y) / 4) for x, y in ((1, 0), (0, 1))]
    slope = np.sqrt(sum((slope**2).mean(axis=1) for slope in slopes))
    edges = np.argsort(slope)[-max(1, len(slope) // 4) :]
    return float(np.max(bends[edges].std(axis=1) / (slope[edges] + 1)))


def clipped_fraction(red: Pixels, green: Pixels, blue: Pixels) -> float:
    """Give the share of pixels with a channel at its end, the white background left aside."""
    brightest = cv2.max(cv2.max(red, green), blue)
    coloured = brightest[cv2.min(cv2.min(red, green), blue) < 250]
    return float((coloured >= 254).mean()) if len(coloured) else 0.0


def frame_fraction(pixels: Pixels) -> float:
    """Give the share of the photo that a frame takes: edges of one colour that end in a line.

    A background also has one colour, but it ends where the product begins, point by point. White
    isn't counted.
    """
    height, width = pixels.shape[:2]
    turned = cv2.transpose(pixels)
    top, bottom, left, right = (
        _frame_depth(side) for side in (pixels, pixels[::-1], turned, turned[::-1])
    )
    inside = (height - top - bottom) * (width - left - right)
    return float(1 - inside / (height * width))


def _frame_depth(rows: Pixels) -> int:
    """Count the rows from the first on that belong to a frame."""
    colour = np.median(rows[0], axis=0)
    if colour.min() >= WHITE or len(rows) < 2:
        return 0
    half = np.ascontiguousarray(rows[: len(rows) // 2])
    unlike = cv2.inRange(half, colour - SAME_COLOUR, colour + SAME_COLOUR) == 0
    other = unlike.mean(axis=1)
    inside = np.flatnonzero(other > 0.02)
    if not len(inside):
        return 0  # one colour up to the middle: a background
    depth = int(inside[0])
    # a resized or compressed edge spreads over a few rows
    return depth if other[depth : depth + 4].max() > 0.5 else 0


def levels(values: Pixels, *shares: float) -> list[int]:
    """Give the brightnesses that these shares of the pixels don't exceed."""
    counts = cv2.calcHist([values], [0], None, [256], [0, 256]).cumsum()
    found: list[int] = np.searchsorted(counts, np.multiply(shares, counts[-1])).tolist()
    return found


def _tiles(values: npt.NDArray[Any]) -> Floats:
    """Cut into N_TILES x N_TILES equal tiles, one a row; what is over at the end is left out."""
    n_rows, n_columns = (min(N_TILES, side) for side in values.shape)
    height, width = values.shape[0] // n_rows, values.shape[1] // n_columns
    cut = values[: height * n_rows, : width * n_columns]
    cut = cut.reshape(n_rows, height, n_columns, width).transpose(0, 2, 1, 3)
    return np.asarray(cut.reshape(n_rows * n_columns, height * width))
