"""What a runtime is: something that computes one encoder's graph."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..arrays import Floats
from ..device import RuntimeName

if TYPE_CHECKING:
    import torch

Batch: TypeAlias = Sequence[npt.NDArray[Any]]
"""One array for each of a graph's inputs, rows first."""


class Session(Protocol):
    """An encoder's graph, ready to run on the runtime of that name.

    `rows_at_once` is how many photos a batch should hold: the size at which it is fastest.
    """

    name: RuntimeName
    rows_at_once: int

    def run(self, batches: Iterable[Batch]) -> list[Floats]:
        """Compute each batch; in order, shape ``(n, dim)``, float32, unit length."""
        ...


@dataclass(frozen=True)
class Graph:
    """An encoder's computation, from raw input to unit vectors, as other runtimes take it.

    Parameters
    ----------
    module
        Takes the inputs in order, returns shape ``(n, dim)``, unit length.
    inputs
        Name -> an example of two rows.
    axes
        Name -> the axes that may have any length, by name: ``{"pixels": {0: "batch"}}``.
    """

    module: "torch.nn.Module"
    inputs: Mapping[str, "torch.Tensor"]
    axes: Mapping[str, Mapping[int, str]]
    output: str = "unit_vectors"


@dataclass(frozen=True)
class Parity:
    """How far one runtime's embeddings are from PyTorch's: cosines over the rows, 1 = the same.

    `max_difference` is the largest absolute one of a component.
    """

    cosine_mean: float
    cosine_min: float
    max_difference: float


def parity(reference: Floats, other: Floats) -> Parity:
    """Compare embeddings, both of shape ``(n, dim)`` and unit length, row by row.

    What isn't a number counts as the opposite direction.
    """
    if reference.shape != other.shape or not len(reference):
        raise ValueError(
            f"Parity needs two sets of as many embeddings, got {reference.shape} and {other.shape}."
        )
    cosines = np.nan_to_num((reference * other).sum(axis=1, dtype=np.float64), nan=-1.0)
    differences = np.nan_to_num(np.abs(reference - other), nan=np.inf)
    return Parity(
        # unit length in float32 is a little more or less than 1
        cosine_mean=float(np.minimum(cosines, 1.0).mean()),
        cosine_min=float(np.minimum(cosines, 1.0).min()),
        max_difference=float(differences.max()),
    )
