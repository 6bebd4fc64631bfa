"""Save and load classifiers: arrays as safetensors, settings as JSON values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save_file
from scipy.sparse import csc_matrix

from ..core.arrays import Floats, require_finite, widened
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
SPARSE = ("data", "indices", "indptr")
"""What a sparse head's coefficients are made of; see `scipy.sparse.csc_matrix`."""


def save_classifier(classifier: FusionClassifier, folder: Path) -> dict[str, Any]:
    """Write the heads' arrays to `folder`; what is returned belongs into the caller's JSON."""
    arrays = {}
    for name, head in classifier.heads.items():
        if isinstance(head.coefficients, np.ndarray):
            arrays[f"{name}.coefficients"] = np.ascontiguousarray(head.coefficients, np.float32)
        else:
            parts = {part: getattr(head.coefficients, part) for part in SPARSE}
            arrays |= {f"{name}.coefficients.{part}": array for part, array in parts.items()}
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
        name: LinearHead(_coefficients(arrays, name), arrays[f"{name}.intercepts"], temperature)
        for name, temperature in document["temperatures"].items()
    }
    return METHODS[document["method"]].from_parts(heads, document["settings"])


def _coefficients(arrays: Mapping[str, Any], name: str) -> Floats | csc_matrix:
    if f"{name}.coefficients.indptr" not in arrays:
        dense: Floats = arrays[f"{name}.coefficients"]
        return dense
    data, indices, indptr = (arrays[f"{name}.coefficients.{part}"] for part in SPARSE)
    shape = (len(arrays[f"{name}.intercepts"]), len(indptr) - 1)
    coefficients = csc_matrix((data, indices, indptr), shape)
    coefficients.check_format(full_check=True)  # of a damaged file, no place is trusted
    return coefficients
