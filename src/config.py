"""What a training run can be told: the models behind configs/*.yaml."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ConfigError

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageConfig(_Section):
    """The photo encoder; see `vision.encoder.PhotoEncoder.load`."""

    weights: str = "starter"
    side_px: Annotated[int, Field(ge=32, le=1024)] | None = 288
    crop_mode: Literal["center", "squash", "border"] | None = "border"
    precision: Literal["auto", "float32", "bfloat16"] = "float32"


class TextConfig(_Section):
    """The title encoder; see `text.encoder.SentenceEncoder.load`."""

    weights: str = "starter"
    precision: Literal["auto", "float32", "bfloat16"] = "float32"


class AcceptConfig(_Section):
    """The promise behind `accept`; see `fusion.decision`."""

    target_precision: Share = 0.97
    confidence: Share = 0.95


class RetrievalConfig(_Section):
    """The catalogue's memory; see `retrieval`.

    Parameters
    ----------
    joint
        ``conse`` (the photo encoder's own class names, no further weights) or an open_clip model:
        ``ViT-B-32``, ``hf-hub:OWNER/NAME``, ``local-dir:FOLDER``.
    alpha
        Share of the catalogue's own listings that the gate may refuse.
    per_category
        Keep that promise for each category by itself, where it has enough listings.
    index
        Whether the bundle keeps the training listings, for neighbours and duplicates.
    """

    joint: str = "conse"
    alpha: Share = 0.05
    per_category: bool = False
    index: bool = True


class Config(_Section):
    """One training run; the defaults are the starter profile.

    Parameters
    ----------
    levels
        How many levels of the category path are predicted.
    min_examples
        A category with fewer listings is left out.
    description
        Whether the description is used where there is one.
    fusion
        ``pool`` (late fusion, the default), ``concatenation`` or ``stacking``, for comparison.
    calibration
        ``cross``: every listing calibrates once, by models that haven't seen it, and the final
        model learns from all. ``split``: a fifth of the listings only calibrates.
    """

    image: ImageConfig = ImageConfig()
    text: TextConfig = TextConfig()
    accept: AcceptConfig = AcceptConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    levels: Annotated[int, Field(ge=1, le=10)] = 1
    min_examples: Annotated[int, Field(ge=2)] = 5
    description: bool = True
    fusion: Literal["pool", "concatenation", "stacking"] = "pool"
    calibration: Literal["cross", "split"] = "cross"
    n_folds: Annotated[int, Field(ge=3, le=20)] = 5
    seed: Annotated[int, Field(ge=0)] = 0


PROFILES = {
    "starter": Config(),
    "full": Config(
        image=ImageConfig(
            weights="tf_efficientnetv2_s.in21k_ft_in1k",
            side_px=384,
            crop_mode="border",
            precision="auto",
        ),
        text=TextConfig(weights="all-MiniLM-L6-v2"),
    ),
}


def load_config(source: str | Path) -> Config:
    """Read a profile by name (``starter``, ``full``) or a YAML file.

    Raises
    ------
    ConfigError
        If there is no such file, or with every problem of the file at once.
    """
    import yaml

    if str(source) in PROFILES:
        return PROFILES[str(source)]
    path = Path(source)
    if not path.is_file():
        raise ConfigError(
            f"The configuration must be {' or '.join(PROFILES)} or a YAML file, but {source} is "
            "neither. Check the path."
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be YAML in UTF-8, but: {error}") from error
    return parse_config(values, str(path))


def parse_config(values: Any, name: str) -> Config:
    """Check a configuration's values; `name` stands in the error."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}; got {e['input']!r}"
            for e in error.errors()
        )
        raise ConfigError(f"{name} has {error.error_count()} problem(s):\n{problems}") from error
