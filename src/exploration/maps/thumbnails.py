"""Small photos for the page, from pixels that are decoded already."""

import numpy as np
from PIL import Image

from ...core.arrays import evenly_spaced
from ...core.reports import jpeg_uri
from ..features.squares import Squares

MAX_EMBEDDED = 2_000
"""Photos in the page, evenly spaced: some 4 MB."""
SIDE_PX = 80


def thumbnails(squares: Squares) -> dict[int, str]:
    """Shrink photos to data URIs, in their proportions; row -> URI."""
    there = np.flatnonzero(squares.present)
    shown = there[evenly_spaced(len(there), MAX_EMBEDDED)] if len(there) else there
    made = {}
    for row in shown.tolist():
        width, height = squares.sizes_px[row].tolist()
        scale = SIDE_PX / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        made[row] = jpeg_uri(
            Image.fromarray(np.asarray(squares.pixels[row])).resize(size), quality=60
        )
    return made
