"""What an encoder is, whoever wrote it; tests/contracts/test_encoders.py holds each to it."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..core.arrays import Floats
from ..vision.load import DecodedPhoto, PhotoLimits

Square: TypeAlias = npt.NDArray[np.uint8]
"""A photo as a model takes it, shape ``(side_px, side_px, 3)``."""


class TextEncoder(Protocol):
    """Anything that turns cleaned texts into unit vectors."""

    dim: int
    fingerprint: str

    def encode(self, items: Sequence[str]) -> Floats:
        """Shape ``(n, dim)``, float32, unit length."""
        ...


class ImageEncoder(Protocol):
    """Anything that turns photos into unit vectors: threads decode and prepare, a model encodes."""

    dim: int
    fingerprint: str

    def decode(self, source: Any, limits: PhotoLimits) -> DecodedPhoto:
        """Read and decode one photo (path or bytes) as finely as it takes, or raise PhotoError."""
        ...

    def prepare(self, photo: DecodedPhoto) -> Square:
        """Frame and resize what `decode` gave."""
        ...

    def encode(self, items: Sequence[Square]) -> Floats:
        """Shape ``(n, dim)``, float32, unit length."""
        ...
