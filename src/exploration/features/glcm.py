"""Grey-level co-occurrence: how neighbouring pixels' brightness goes together (Haralick 1973)."""

import numpy as np

from ...core.arrays import Floats
from ...embedding.encoders import Square
from .pixels import grey

LEVELS = 32
DISTANCES_PX = (1, 3)
ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "ASM")


def co_occurrence(square: Square) -> Floats:
    """Measure a photo's co-occurrence; shape ``(48,)``, property slowest."""
    from skimage.feature import graycomatrix, graycoprops

    levels = grey(square) // (256 // LEVELS)
    matrix = graycomatrix(levels, DISTANCES_PX, ANGLES, LEVELS, symmetric=True, normed=True)
    return np.concatenate([graycoprops(matrix, name).ravel() for name in PROPERTIES])
