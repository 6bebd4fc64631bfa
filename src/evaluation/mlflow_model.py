"""A bundle as an MLflow pyfunc model: a table of listings in, a table of verdicts out.

To load a model, MLflow runs `MODEL_CODE` ("models from code"), so nothing is pickled.
"""

import base64
import shutil
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pandas as pd
from packaging.requirements import Requirement

from ..catalog.listing import Listing
from ..catalog.values import is_missing
from ..core.errors import BundleFormatError
from ..core.scratch import scratch_folder
from ..pipeline.persistence import load_settings
from ..pipeline.pipeline import ListingPipeline
from ..vision.backbone import PACKAGED, ensemble_names

BUNDLE = "bundle"
MODEL_CODE = f'''\
import mlflow.pyfunc
import pandas as pd
from mlflow.models import set_model

from shelfsure import ListingPipeline
from shelfsure.evaluation.mlflow_model import judge_table


class BundleModel(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.pipeline = ListingPipeline.load(context.artifacts["{BUNDLE}"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return judge_table(self.pipeline, model_input)


set_model(BundleModel())
'''
INPUTS = ("listing_id", "title", "description", "image", "image_path", "more_images")
OUTPUTS = ("listing_id", "decision", "category", "probability", "ood_p_value", "reasons", "verdict")
_NUMBERS = ("probability", "ood_p_value")
_PACKAGE = __name__.partition(".")[0]
_NOT_NEEDED = ("__pycache__", "sample.zip", "starter_bundle")


def judge_table(pipeline: ListingPipeline, table: pd.DataFrame) -> pd.DataFrame:
    """Judge each row; one that can't be read gets the decision ``rejected``.

    Parameters
    ----------
    table
        Columns ``title``, ``description``, ``image`` (the file's bytes, or these in base64) or
        ``image_path``, ``more_images`` (a list of further photos, as ``image`` has one), and
        ``listing_id``; each may be missing, as may any of their values. One row may hold a list of
        values a column, of a listing each.

    Returns
    -------
    DataFrame
        The columns `OUTPUTS`; ``verdict`` is the whole verdict as JSON.
    """
    records: list[Any] = table.to_dict("records")
    records = _unrolled(records[0]) if len(records) == 1 else records
    verdicts = pipeline.predict([listing_of(row) for row in records])
    rows = [
        {
            **{name: getattr(verdict, name) for name in OUTPUTS[:5]},
            "reasons": " ".join(verdict.reasons),
            "verdict": verdict.model_dump_json(),
        }
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=list(OUTPUTS)).astype(dict.fromkeys(_NUMBERS, float))


def listing_of(row: Mapping[Any, Any]) -> Listing:
    """Take a listing from a table's row as it is; predicting says what is wrong with a field.

    Text as a photo is base64, as JSON has it. What isn't stays as the bytes that it is: no photo.
    """
    image = _photo(row.get("image"))
    more: Any = row.get("more_images")
    more = more.tolist() if hasattr(more, "tolist") else more
    return Listing(
        listing_id=_given(row.get("listing_id"), ""),
        title=_given(row.get("title")),
        description=_given(row.get("description")),
        image=_given(row.get("image_path")) if image is None else image,
        more_images=tuple(map(_photo, more)) if isinstance(more, list | tuple) else (),
    )


def _photo(value: Any) -> Any:
    photo = _given(value)
    return _decoded(photo) if isinstance(photo, str) else photo


def _given(value: Any, missing: Any = None) -> Any:
    empty = isinstance(value, str | bytes | bytearray) and not value
    return missing if empty or is_missing(value) else value


def _decoded(text: str) -> bytes:
    plain = "".join(text.split())
    try:
        return base64.b64decode(plain.partition("base64,")[2] or plain, validate=True)
    except ValueError:
        return text.encode("utf-8", "replace")


def _unrolled(row: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """Make a row of lists the rows that it stands for: a dictionary of lists comes so."""
    lists = {name: value for name, value in row.items() if isinstance(value, list)}
    if not lists or len({len(value) for value in lists.values()}) > 1:
        return [row]
    columns = zip(*lists.values(), strict=True)
    return [{**row, **dict(zip(lists, values, strict=True))} for values in columns]


def log_bundle(bundle: Path, *, registered_name: str | None = None) -> Any:
    """Log a bundle as a model to the active MLflow run; give MLflow's ModelInfo.

    With a `registered_name` it becomes the next version of that registered model, too. The code
    that judges goes along, and its requirements are pinned as they are installed here: so MLflow
    can build an environment for the model though no package index has Shelfsure.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    kinds = dict.fromkeys(_NUMBERS, "double")
    with scratch_folder() as scratch:
        code = scratch / "shelfsure_model.py"
        code.write_text(MODEL_CODE, encoding="utf-8")
        return mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            artifacts={BUNDLE: str(bundle)},
            signature=ModelSignature(
                # a typed column refuses a whole batch for one row's number, or missing photo
                Schema([ColSpec(AnyType(), n, required=False) for n in INPUTS]),
                Schema([ColSpec(kinds.get(n, "string"), n) for n in OUTPUTS]),
            ),
            input_example=pd.DataFrame({"title": ["Analog watch for men, steel strap"]}),
            code_paths=[str(_copied_code(scratch))],
            pip_requirements=_requirements(load_settings(bundle)[0].image.weights),
            registered_model_name=registered_name,
        )


def _copied_code(scratch: Path) -> Path:
    """Copy this package under the name that it is imported by, without what only people need."""
    copy = scratch / _PACKAGE
    ignore = shutil.ignore_patterns(*_NOT_NEEDED)
    for name, place in ((_PACKAGE, copy), (f"{_PACKAGE}.configs", copy / "configs")):
        [folder] = import_module(name).__path__
        shutil.copytree(folder, place, ignore=ignore, dirs_exist_ok=True)
    return copy


def _requirements(weights: str) -> list[str]:
    """Pin what the package needs without its extras, and the packages of the photo's weights."""
    needed = [Requirement(line) for line in requires(_PACKAGE) or ()]
    names = {r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})}
    names |= {
        PACKAGED[w].package.replace("_", "-") for w in ensemble_names(weights) if w in PACKAGED
    }
    return [f"{name}=={version(name).partition('+')[0]}" for name in sorted(names)]


def bundle_in(model: Path) -> Path:
    """Find the bundle inside a downloaded model; nothing of the model is run.

    Raises
    ------
    BundleFormatError
        If the model holds no bundle.
    """
    from mlflow.models import Model

    artifacts = Model.load(str(model)).flavors.get("python_function", {}).get("artifacts", {})
    place: Path = (model / artifacts.get(BUNDLE, {}).get("path", "")).resolve()
    if BUNDLE not in artifacts or not place.is_relative_to(model.resolve()):
        raise BundleFormatError(
            f"The model must be one that Shelfsure logged, with a bundle inside, but holds "
            f"{', '.join(artifacts) or 'no artifacts'}. Name another model."
        )
    return place
