"""What families that look at pixels share: a vector a photo, then one scale for all columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ...core.arrays import Floats, unit_rows
from ...core.extras import require_extra
from ...core.parallel import in_parallel
from ...embedding.encoders import Square
from .family import Takes


@dataclass(frozen=True)
class DescribedPhotos:
    """A vector a photo, by hand-made measures; see `FeatureFamily`.

    Parameters
    ----------
    describe
        Square -> its vector.
    scale
        All vectors, shape ``(n, d)`` -> the same as rows of unit length.
    is_extra
        It needs what the extra ``explore`` installs.
    """

    name: str
    describe: Callable[[Square], Any]
    scale: Callable[[Floats], Floats]
    is_extra: bool = False
    takes: Takes = "square"

    def encode(self, items: Sequence[Square]) -> Floats:
        if self.is_extra:
            require_extra("explore", self.name.upper())
        return self.scale(np.asarray(in_parallel(self.describe, items), dtype=np.float32))


def grey(square: Square) -> Square:
    """Give a square's brightness, shape ``(side, side)``, 0 to 255."""
    return np.asarray(cv2.cvtColor(np.asarray(square), cv2.COLOR_RGB2GRAY))


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
