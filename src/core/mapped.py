"""Arrays that lie in files: larger than memory, and filled row by row."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from .output import output


def new_map(path: Path, shape: tuple[int, ...]) -> "np.memmap[Any, np.dtype[np.uint8]]":
    """Map a new file of zero bytes, whose room on the disk is taken now.

    Else writing to the map would end the process once the disk is full.

    Raises
    ------
    OutputError
        If there is no room; then nothing is left.
    """
    with output(path):
        mapped = np.memmap(path, dtype=np.uint8, mode="w+", shape=shape)
        if hasattr(os, "posix_fallocate"):
            try:
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, mapped.nbytes)
            except OSError:
                path.unlink()  # what there is of it would be in the way of others
                raise
    return mapped
