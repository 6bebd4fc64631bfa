"""Which processor runs the models, and in which number format."""

import ctypes
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeAlias

from .errors import ConfigError

Precision = Literal["float32", "bfloat16", "openvino-bfloat16"]
"""How numbers are multiplied. PyTorch's and OpenVINO's bfloat16 round at other places: embeddings
of the one must not be mixed with those of the other."""


def pick_device(wanted: str = "auto") -> str:
    """Choose CUDA, then MPS, then CPU, or check that the wanted one is there.

    Raises
    ------
    ConfigError
        If the wanted device isn't known or isn't there.
    """
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, usable in there.items() if usable)
    if not there.get(wanted.split(":")[0], False):
        usable = ", ".join(name for name, is_there in there.items() if is_there)
        raise ConfigError(
            f"The device must be one that this machine has ({usable}) or auto, not {wanted!r}."
        )
    return wanted


def pick_precision(wanted: Precision | Literal["auto"], device: str) -> Precision:
    """Resolve ``auto``: bfloat16 where the hardware multiplies it natively, else float32.

    The answer is saved with a model, because embeddings of the two formats must not be mixed.
    """
    import torch

    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if device == "cpu" and torch.cpu._is_amx_tile_supported():
        return "bfloat16"
    return "float32"


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """Run PyTorch's matrix work inside in `precision`; weights and results stay float32."""
    import torch

    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device_type=device.split(":")[0], dtype=torch.bfloat16)


RuntimeName: TypeAlias = Literal["torch", "onnxruntime", "openvino"]
Runtime: TypeAlias = Literal["auto", "torch", "onnxruntime", "openvino"]
"""``auto``: the fastest here whose embeddings are PyTorch's."""


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Ask the allocator not to give freed memory back from now on; say whether it will do so.

    Every step frees what the next one needs. Otherwise each large array is handed back to the
    system and asked for again, page by page, which cost EfficientNet-Lite0 on a CPU a third of its
    training time, and two thirds where all layers learn. See mallopt(3).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system, or another C library
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
