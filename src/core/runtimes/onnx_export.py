"""PyTorch to ONNX: the one file that ONNX Runtime and OpenVINO both read."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from ..errors import RuntimeUnusableError
from ..files import atomic_path
from .session import Graph

OPSET = 18


def write_onnx(graph: Graph, path: Path) -> None:
    """Convert a graph, weights inside; the file is there whole or not at all.

    Raises RuntimeUnusableError if the model does what ONNX can't say.
    """
    import torch
    from torch.onnx import errors

    module = deepcopy(graph.module)  # tracing swaps its weights, while others may be using it
    for part in module.modules():
        if hasattr(part, "inplace"):
            # ONNX has the other kind of activation; taking this one apart takes as long as the rest
            vars(part)["inplace"] = False
    device = next(module.parameters()).device
    example = tuple(tensor.to(device) for tensor in graph.inputs.values())
    with atomic_path(path) as partial, _exporting():
        try:
            torch.onnx.export(
                module,
                example,
                str(partial),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=[graph.output],
                dynamic_shapes=tuple(dict(graph.axes[name]) for name in graph.inputs),
                external_data=False,
                verbose=False,
            )
        except (errors.OnnxExporterError, RuntimeError, TypeError, ValueError) as error:
            raise RuntimeUnusableError(
                f"The encoder's model must be convertible to ONNX, but: {_first_line(error)}. "
                "Use --runtime torch."
            ) from error


@contextmanager
def _exporting() -> Iterator[None]:
    """Trace without gradients, warnings about tracing, and kernels that ONNX has no name for."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def write_openvino(onnx: Path, path: Path) -> Path:
    """Turn an ONNX file, which goes, into ``.xml`` and ``.bin``, in float32; gives the first."""
    import openvino as ov

    ov.save_model(ov.Core().read_model(onnx), path, compress_to_fp16=False)
    onnx.unlink()
    return path
