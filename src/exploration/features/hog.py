"""Histograms of oriented gradients: a photo's outlines, place by place (Dalal & Triggs 2005)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.arrays import Floats, unit_rows
from ...core.extras import require_extra
from ...embedding.encoders import Square
from .family import Takes
from .pixels import described, grey


@dataclass(frozen=True)
class OrientedGradients:
    """Nine directions in 8 x 8 cells, blocks of 2 x 2; see `FeatureFamily`."""

    name: str = "hog"
    takes: Takes = "square"

    def encode(self, items: Sequence[Square]) -> Floats:
        require_extra("explore", "HOG")
        return unit_rows(described(items, oriented_gradients))


def oriented_gradients(square: Square) -> Floats:
    """Describe a photo's outlines; shape ``(1764,)``."""
    from skimage.feature import hog

    image = grey(square)
    cell = (image.shape[0] // 8, image.shape[1] // 8)
    found = hog(image, orientations=9, pixels_per_cell=cell, cells_per_block=(2, 2))
    return np.asarray(found, dtype=np.float32)
