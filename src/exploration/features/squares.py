"""Photos as small squares of pixels, decoded once for all families that look at pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ...core.arrays import Bools, Ints
from ...core.errors import PhotoError
from ...core.mapped import new_map
from ...embedding.reading_ahead import ahead, threads
from ...embedding.run_options import RunOptions
from ...vision.preprocess import decode_for_square, square

SIDE_PX = 128


@dataclass(frozen=True)
class Squares:
    """n listings' photos, in a file.

    Parameters
    ----------
    pixels
        Shape ``(n, 128, 128, 3)``, uint8: the whole photo, its proportions given up.
    present
        Shape ``(n,)``; False where there is no photo, or none that can be read.
    sizes_px
        Shape ``(n, 2)``: width and height in the file; 0 where there is none.
    """

    pixels: "np.memmap[Any, np.dtype[np.uint8]]"
    present: Bools
    sizes_px: Ints


def decode_squares(sources: Sequence[Any], folder: Path, options: RunOptions) -> Squares:
    """Decode photos (paths, bytes, or None) into a file of `folder`; a bad one is left out.

    Raises
    ------
    OutputError
        If there is no room for it.
    """
    n = len(sources)
    shape = (max(n, 1), SIDE_PX, SIDE_PX, 3)
    pixels = new_map(folder / "squares.u8", shape)
    present, sizes = np.zeros(n, dtype=bool), np.zeros((n, 2), dtype=np.intp)

    def load(row: int) -> tuple[Any, tuple[int, int]]:
        photo = decode_for_square(sources[row], SIDE_PX, 1.0, "squash", options.limits, "fast")
        return square(photo, SIDE_PX, 1.0, "squash"), (photo.width_px, photo.height_px)

    there = [row for row in range(n) if sources[row] is not None]
    shown = None if options.progress else True
    with threads() as pool, tqdm(total=len(there), desc="Decoding photos", disable=shown) as bar:
        for row, outcome in zip(there, ahead(pool, load, there), strict=True):
            bar.update()
            if isinstance(outcome, PhotoError):
                continue
            pixels[row], sizes[row] = outcome
            present[row] = True
    return Squares(pixels, present, sizes)
