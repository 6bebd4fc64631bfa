"""Names for the array types that signatures use, and what all rooms do to rows of vectors."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.integer[Any]]
Bools: TypeAlias = npt.NDArray[np.bool_]


def unit_rows(vectors: Floats) -> Floats:
    """Scale rows to unit length, float32; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)


def evenly_spaced(n: int, at_most: int) -> Ints:
    """Pick rows all along, so that of a catalogue sorted by category every part stays."""
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).astype(np.intp))


def largest(values: Floats, k: int) -> Ints:
    """Find the places of the k largest of ``(n,)`` values, largest first; of equals the first."""
    k = min(k, len(values))
    few = np.flatnonzero(values >= np.partition(values, -k)[-k])
    return few[np.argsort(-values[few], kind="stable")[:k]]


def require_finite(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ValueError for an array that holds NaN or infinity."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"every number must be finite, but the array {name} holds others")


def widened(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Compute in single precision what was stored in half."""
    return {
        name: array.astype(np.float32) if array.dtype == np.float16 else array
        for name, array in arrays.items()
    }
