"""Save and load classifiers: arrays as safetensors, settings as JSON values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save_file

from ..core.arrays import require_finite, widened
from ..core.files import ReadFile
from .alternatives import Concatenation, Stacking
from .classifier import FusionClassifier, LateFusion
from .heads import LinearHead

METHODS: dict[str, type[FusionClassifier]] = {
    "pool": LateFusion,
    "concatenation": Concatenation,
    "stacking": Stacking,
}
ARRAYS = "heads.safetensors"


def save_classifier(classifier: FusionClassifier, folder: Path) -> dict[str, Any]:
    """Write the heads' arrays to `folder`; what is returned belongs into the caller's JSON."""
    arrays = {}
    for name, head in classifier.heads.items():
        arrays[f"{name}.coefficients"] = np.ascontiguousarray(head.coefficients, np.float32)
        arrays[f"{name}.intercepts"] = np.ascontiguousarray(head.intercepts, np.float32)
    save_file(arrays, folder / ARRAYS)
    return {
        "method": classifier.method,
        "temperatures": {name: head.temperature for name, head in classifier.heads.items()},
        "settings": classifier.settings(),
    }


def load_classifier(read: ReadFile, document: Mapping[str, Any]) -> FusionClassifier:
    """Read what `save_classifier` wrote."""
    arrays = widened(load(read(ARRAYS)))
    require_finite(arrays)
    heads = {
        name: LinearHead(arrays[f"{name}.coefficients"], arrays[f"{name}.intercepts"], temperature)
        for name, temperature in document["temperatures"].items()
    }
    return METHODS[document["method"]].from_parts(heads, document["settings"])
