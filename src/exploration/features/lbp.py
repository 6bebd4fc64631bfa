"""Local binary patterns: which fine textures there are, whatever the light (Ojala et al. 2002)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.arrays import Floats
from ...core.extras import require_extra
from ...embedding.encoders import Square
from .family import Takes
from .pixels import cells, described, grey, histogram_rows

RINGS = ((8, 1), (16, 2))
"""Neighbours looked at, and how many pixels away."""
GRID = 2


@dataclass(frozen=True)
class LocalBinaryPatterns:
    """Uniform patterns of two rings, counted in each quarter of a photo; see `FeatureFamily`."""

    name: str = "lbp"
    takes: Takes = "square"

    def encode(self, items: Sequence[Square]) -> Floats:
        require_extra("explore", "LBP")
        return histogram_rows(described(items, binary_patterns))


def binary_patterns(square: Square) -> Floats:
    """Count patterns; shape ``(112,)``."""
    from skimage.feature import local_binary_pattern

    counts = []
    for n, radius in RINGS:
        codes = local_binary_pattern(grey(square), n, radius, "uniform").astype(np.intp)
        counts += [np.bincount(part.ravel(), minlength=n + 2) for part in cells(codes, GRID)]
    return np.concatenate(counts).astype(np.float32)
