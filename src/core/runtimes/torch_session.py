"""PyTorch itself, as a runtime among others: on any device, in any of its number formats."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arrays import Floats
from ..device import Precision, RuntimeName, autocast
from .session import Batch

if TYPE_CHECKING:
    import torch


class TorchSession:
    """A module run by PyTorch; see `session.Session`."""

    name: RuntimeName = "torch"

    def __init__(self, module: "torch.nn.Module", device: str, precision: Precision) -> None:
        self.module = module.to(device)
        self.device = device
        self.precision = precision
        # a CPU's allocator hands the arrays of many photos back; a GPU needs many to be busy
        self.rows_at_once = 4 if device == "cpu" else 32

    def run(self, batches: Iterable[Batch]) -> list[Floats]:
        import torch

        results: list[Floats] = []
        for batch in batches:
            inputs = [torch.from_numpy(array).to(self.device) for array in batch]
            with torch.inference_mode(), autocast(self.device, self.precision):
                results.append(self.module(*inputs).float().cpu().numpy())
        return results
