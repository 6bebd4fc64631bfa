"""What a training run can be told: the models behind configs/*.yaml."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import ConfigError

PrecisionChoice = Literal["auto", "float32", "bfloat16", "openvino-bfloat16"]
"""``auto`` is PyTorch's bfloat16 where the hardware multiplies it natively; see `device`."""
CONFIGS = "shelfsure.configs"
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Section(BaseModel):
    """A part of a configuration: nothing unknown in it, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    old_names: ClassVar[Mapping[str, str]] = {}
    """What a field was called in files that were written before, and what it is called now."""

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {cls.old_names.get(name, name): value for name, value in values.items()}


class ImageConfig(Section):
    """The photo encoder; see `vision.encoder.PhotoEncoder.load`.

    Parameters
    ----------
    side_px, crop_mode
        None takes what the weights were trained with. Left out, they are 288 and ``auto`` for the
        starter weights (and ensembles that begin with them), None for all others. ``auto`` is
        ``border``, unless training finds that photos were taken in sessions, and that ``center``
        tells the categories of new ones apart better.
    decode
        ``fast`` decodes JPEGs at a fraction of their size.
    """

    weights: str = "starter"
    side_px: Annotated[int, Field(ge=32, le=1024)] | None = None
    crop_mode: Literal["auto", "center", "squash", "border"] | None = None
    decode: Literal["normal", "fast"] = "normal"
    precision: PrecisionChoice = "float32"

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_starters(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        first, *_ = str(values.get("weights", "starter")).split("+")
        return {"side_px": 288, "crop_mode": "auto"} | values if first == "starter" else values


def image_encoder_section(encoder: str) -> dict[str, str]:
    """Turn a fine-tuned encoder's folder, or a name, into the ``image`` section that loads it.

    Its size and framing are those that it was trained with.
    """
    folder = Path(encoder)
    return {"weights": f"local-dir:{folder.resolve()}" if folder.is_dir() else encoder}


class TextConfig(Section):
    """The title encoder; see `text.encoder.SentenceEncoder.load`.

    Parameters
    ----------
    min_listings
        A word or letter gram in fewer listings is not learned: a bundle that is passed on shall
        not hold what only one seller writes.
    """

    weights: str = "starter"
    precision: PrecisionChoice = "float32"
    min_listings: Annotated[int, Field(ge=1)] = 1


class AcceptConfig(Section):
    """The promise behind `accept`; see `fusion.accept_rule`.

    Parameters
    ----------
    target_precision, confidence
        At least so many of the accepted answers are right, with this confidence.
    min_examples
        An answer is accepted only if its category has at least so many training listings.
    holds_for
        In files ``for``. ``new_groups``: listings of sellers and sessions that training hasn't
        seen. ``same_groups``: new listings of those that it has.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    target_precision: Share = 0.97
    confidence: Share = 0.95
    min_examples: Annotated[int, Field(ge=1)] = 5
    holds_for: Annotated[Literal["new_groups", "same_groups"], Field(alias="for")] = "new_groups"


class RetrievalConfig(Section):
    """What is known of the catalogue as a whole; see `retrieval`.

    Parameters
    ----------
    image_text_space
        ``conse`` (the photo encoder's own class names, no further weights) or an open_clip model:
        ``ViT-B-32``, ``hf-hub:OWNER/NAME``, ``local-dir:FOLDER``.
    alpha
        Share of the catalogue's own listings that may be refused as out of catalogue.
    per_category
        Keep that promise for each category by itself, where it has enough listings.
    index
        Whether the bundle keeps the training listings, for neighbours and duplicates.
    ood_detector
        ``full`` also compares with each training listing's embedding. ``statistics`` keeps means
        and directions only: a fraction of the size, and nothing of any single listing.
    """

    old_names = {"joint": "image_text_space", "gate": "ood_detector"}

    image_text_space: str = "conse"
    alpha: Share = 0.05
    per_category: bool = False
    index: bool = True
    ood_detector: Literal["full", "statistics"] = "full"


class Config(Section):
    """One training run; the defaults are the starter profile.

    Parameters
    ----------
    levels
        How many levels of the category path are predicted.
    min_examples
        A category with fewer listings has no expert, and is known by its name alone.
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
    min_examples: Annotated[int, Field(ge=1)] = 1
    description: bool = True
    fusion: Literal["pool", "concatenation", "stacking"] = "pool"
    calibration: Literal["cross", "split"] = "cross"
    n_folds: Annotated[int, Field(ge=3, le=20)] = 5
    seed: Annotated[int, Field(ge=0)] = 0


PROFILES = {
    "starter": "starter.yaml",
    "starter-large": "starter-large.yaml",
    "full": "full.yaml",
}
"""Name -> its file among the configurations that come with Shelfsure."""
M = TypeVar("M", bound=BaseModel)


def load_config(source: str | Path = "starter", **given: Any) -> Config:
    """Read a profile by name (one of `PROFILES`) or a YAML file; see `load_yaml`."""
    return load_yaml(Config, source, PROFILES, **given)


def load_yaml(model: type[M], source: str | Path, profiles: Mapping[str, str], **given: Any) -> M:
    """Read a configuration by a profile's name or from a YAML file.

    Parameters
    ----------
    profiles
        Name -> its file among the configurations that come with Shelfsure.
    given
        Values that replace the file's, where they aren't None.

    Raises
    ------
    ConfigError
        If there is no such file, or with every problem of the file at once.
    """
    import yaml

    shipped = profiles.get(str(source))
    path = files(CONFIGS) / shipped if shipped else Path(source)
    if not path.is_file():
        raise ConfigError(
            f"The configuration must be {' or '.join([*profiles, 'a YAML file'])}, but {source} is "
            f"{'neither' if profiles else 'none'}. Check the path."
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} must be YAML in UTF-8, but: {error}") from error
    if isinstance(values, dict):
        values |= {name: value for name, value in given.items() if value is not None}
    return parse_config(model, values, str(source))


def parse_config(model: type[M], values: Any, name: str) -> M:
    """Check a configuration's values; `name` stands in the error."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in problem_lines(error))
        raise ConfigError(f"{name} has {error.error_count()} problem(s):\n{problems}") from error


def problem_lines(error: ValidationError, whole: str = "the file") -> list[str]:
    """Say where each value is wrong, what it must be and what it is, in words of files."""
    lines = []
    for each in error.errors():
        place = ".".join(map(str, each["loc"])) or whole
        told = _WORDS.get(each["type"], each["msg"])
        shown = "" if each["type"] == "missing" else f"; got {each['input']!r}"
        lines.append(f"{place}: {told}{shown}")
    return lines


_WORDS = {
    "missing": "must be given, but is missing",
    "extra_forbidden": "There is no such setting",
    "tuple_type": "Input should be a list, as [one, two]",
    "list_type": "Input should be a list, as [one, two]",
    "dict_type": "Input should be settings, as name: value",
    "model_type": "Input should be settings, as name: value",
    "path_type": "Input should be a path",
}
"""What pydantic says in Python's words, by its name for the problem."""
