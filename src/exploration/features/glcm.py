"""Grey-level co-occurrence: how neighbouring pixels' brightness goes together (Haralick 1973)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.arrays import Floats
from ...core.extras import require_extra
from ...embedding.encoders import Square
from .family import Takes
from .pixels import described, grey, standardised

LEVELS = 32
DISTANCES_PX = (1, 3)
ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "ASM")


@dataclass(frozen=True)
class CoOccurrence:
    """Six properties at two distances in four directions; see `FeatureFamily`."""

    name: str = "glcm"
    takes: Takes = "square"

    def encode(self, items: Sequence[Square]) -> Floats:
        require_extra("explore", "GLCM")
        return standardised(described(items, co_occurrence))


def co_occurrence(square: Square) -> Floats:
    """Measure a photo's co-occurrence; shape ``(48,)``, property slowest."""
    from skimage.feature import graycomatrix, graycoprops

    levels = grey(square) // (256 // LEVELS)
    matrix = graycomatrix(levels, DISTANCES_PX, ANGLES, LEVELS, symmetric=True, normed=True)
    return np.concatenate([graycoprops(matrix, name).ravel() for name in PROPERTIES])
