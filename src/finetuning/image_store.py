"""Photos decoded once: training reads squares of pixels, not JPEGs, in every later epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ..core.errors import PhotoError
from ..core.files import atomic_path
from ..core.mapped import new_map
from ..embedding.reading_ahead import ahead, threads
from ..vision.load import PhotoLimits
from ..vision.preprocess import CropMode, load_square

Square: TypeAlias = npt.NDArray[np.uint8]
SQUARES = "squares.u8"
GOOD = 1
"""A square that is decoded; 0 is one that is still to come."""


class ImageStore(Protocol):
    """Photos by row, as shape ``(side, side, 3)``, 0 to 255."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Square: ...


@dataclass(frozen=True)
class Framing:
    """How photos become squares; the encoder will do the same."""

    side_px: int
    crop_mode: CropMode
    limits: PhotoLimits

    def load(self, source: Any) -> Square:
        """Decode one photo, or raise PhotoError."""
        return load_square(source, self.side_px, 1.0, self.crop_mode, self.limits)


@dataclass(frozen=True)
class LazySquares:
    """Decodes a photo whenever it is asked for; for catalogues too large to be kept decoded."""

    sources: Sequence[Any]
    framing: Framing

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, row: int) -> Square:
        return self.framing.load(self.sources[row])


def prepare_squares(
    sources: Sequence[Any], framing: Framing, folder: Path, *, max_bytes: float, progress: bool
) -> dict[int, str]:
    """Decode every photo once, into a file if that fits; goes on where it was stopped.

    Parameters
    ----------
    sources
        Paths or bytes.
    folder
        Where ``squares.u8`` and ``squares-done.u8`` lie, or will.
    max_bytes
        With more, photos are only looked at, and decoded anew when they are needed.

    Returns
    -------
    dict of int to str
        Row -> why this photo can't be used.
    """
    shape = (len(sources), framing.side_px, framing.side_px, 3)
    kept = np.prod(shape, dtype=float) <= max_bytes
    done_path = folder / "squares-done.u8"
    if not done_path.is_file():
        if kept:
            new_map(folder / SQUARES, shape)
        with atomic_path(done_path) as partial:
            np.zeros(len(sources), dtype=np.uint8).tofile(partial)
    done = np.memmap(done_path, dtype=np.uint8, mode="r+", shape=(len(sources),))
    pixels = _map(folder, shape, "r+") if kept else None
    problems = {}
    waiting = np.flatnonzero(done != GOOD).tolist()
    bar = tqdm(
        total=len(sources),
        initial=len(sources) - len(waiting),
        desc="Decoding photos",
        disable=None if progress and waiting else True,
    )
    with bar, threads() as pool:
        outcomes = ahead(pool, lambda row: framing.load(sources[row]), waiting)
        for row, outcome in zip(waiting, outcomes, strict=True):
            if isinstance(outcome, PhotoError):
                problems[row] = str(outcome)
            else:
                if pixels is not None:
                    pixels[row] = outcome
                done[row] = GOOD
            bar.update()
    if pixels is not None:
        pixels.flush()
    done.flush()
    return problems


def open_squares(sources: Sequence[Any], framing: Framing, folder: Path) -> ImageStore:
    """Open what `prepare_squares` made."""
    if not (folder / SQUARES).is_file():
        return LazySquares(sources, framing)
    return _map(folder, (len(sources), framing.side_px, framing.side_px, 3), "r")


def _map(folder: Path, shape: tuple[int, ...], mode: Any) -> "np.memmap[Any, np.dtype[np.uint8]]":
    return np.memmap(folder / SQUARES, dtype=np.uint8, mode=mode, shape=shape)
