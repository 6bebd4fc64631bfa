"""Histograms of oriented gradients: a photo's outlines, place by place (Dalal & Triggs 2005)."""

import numpy as np

from ...core.arrays import Floats
from ...embedding.encoders import Square
from .pixels import grey


def oriented_gradients(square: Square) -> Floats:
    """Describe a photo's outlines; shape ``(1764,)``."""
    from skimage.feature import hog

    image = grey(square)
    cell = (image.shape[0] // 8, image.shape[1] // 8)
    found = hog(image, orientations=9, pixels_per_cell=cell, cells_per_block=(2, 2))
    return np.asarray(found, dtype=np.float32)
