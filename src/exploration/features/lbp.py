"""Local binary patterns: which fine textures there are, whatever the light (Ojala et al. 2002)."""

import numpy as np

from ...core.arrays import Floats
from ...embedding.encoders import Square
from .pixels import cells, grey

RINGS = ((8, 1), (16, 2))
"""Neighbours looked at, and how many pixels away."""
GRID = 2


def binary_patterns(square: Square) -> Floats:
    """Count patterns; shape ``(112,)``."""
    from skimage.feature import local_binary_pattern

    counts = []
    for n, radius in RINGS:
        codes = local_binary_pattern(grey(square), n, radius, "uniform").astype(np.intp)
        counts += [np.bincount(part.ravel(), minlength=n + 2) for part in cells(codes, GRID)]
    return np.concatenate(counts).astype(np.float32)
