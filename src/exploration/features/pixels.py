"""What families that look at pixels share: a vector a photo, then one scale for all columns."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from ...core.arrays import Floats, unit_rows
from ...core.parallel import in_parallel
from ...embedding.encoders import Square


def grey(square: Square) -> Square:
    """Give a square's brightness, shape ``(side, side)``, 0 to 255."""
    return np.asarray(cv2.cvtColor(np.asarray(square), cv2.COLOR_RGB2GRAY))


def described(squares: Sequence[Square], describe: Callable[[Square], Any]) -> Floats:
    """Describe every photo; shape ``(n, d)``."""
    return np.asarray(in_parallel(describe, squares), dtype=np.float32)


def standardised(rows: Floats) -> Floats:
    """Bring columns of different units to one, by mean and deviation; rows to unit length."""
    spread = rows.std(axis=0)
    return unit_rows((rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def histogram_rows(counts: Floats) -> Floats:
    """Compare histograms by their roots (Hellinger); rows to unit length."""
    return unit_rows(np.sqrt(counts))


def cells(image: Any, n: int) -> list[Any]:
    """Cut an image into n x n equal parts, row by row."""
    return [part for band in np.array_split(image, n) for part in np.array_split(band, n, axis=1)]
