"""What decides how fast a runtime is, in words: the processor, and versions."""

import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = (
    "shelfsure",
    "torch",
    "timm",
    "transformers",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "openvino",
)


def versions() -> str:
    """Name what converts and runs models: ``"torch 2.6.0, onnx 1.17.0, …"``."""
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES if find_spec(name))


def machine() -> str:
    """Name the processor, what PyTorch uses of it, and how many threads it may."""
    import torch

    return (
        f"{_processor()}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{torch.get_num_threads()} threads"
    )


def _processor() -> str:
    """Read the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
