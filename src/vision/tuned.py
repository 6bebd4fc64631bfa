"""How a fine-tuned encoder's folder says which photos it wants."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import WeightsError
from .preprocess import CropMode

TUNED_FILE = "finetuned.json"


@dataclass(frozen=True)
class FoldEncoder:
    """An encoder's weights, and the sha256 of the photos that they learned from."""

    weights: Path
    seen: frozenset[str]


@dataclass(frozen=True)
class TunedInput:
    """What a backbone's folder says of how it was tuned; None where it doesn't say.

    Parameters
    ----------
    seen
        sha256 of the photos that it learned from.
    fold_encoders
        Encoders tuned alike, each without a part of these photos.
    """

    side_px: int | None = None
    crop_mode: CropMode | None = None
    seen: frozenset[str] = frozenset()
    fold_encoders: tuple[FoldEncoder, ...] = ()


def tuned_input(weights: str) -> TunedInput:
    """Read ``finetuned.json`` beside the weights; nothing is said where there is none.

    Raises
    ------
    WeightsError
        If the file is damaged.
    """
    path = Path(weights.removeprefix("local-dir:")) / TUNED_FILE
    if not weights.startswith("local-dir:") or not path.is_file():
        return TunedInput()
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        side_px, crop_mode = said.get("side_px"), said.get("crop_mode")
        seen = frozenset(said.get("seen", ()))
        fold_encoders = tuple(
            FoldEncoder(
                path.with_name(Path(each["weights"]).name), seen.difference(each["held_out"])
            )
            for each in said.get("siblings", ())
        )
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise WeightsError(f"{path} must be a JSON object, but: {error}. Tune it anew.") from error
    fitting = side_px is None or (type(side_px) is int and 32 <= side_px <= 1024)
    if not fitting or crop_mode not in {None, "center", "squash", "border"}:
        raise WeightsError(
            f"{path} must say side_px from 32 to 1024 and crop_mode center, squash or border, but "
            f"says {side_px!r} and {crop_mode!r}. Tune it anew."
        )
    return TunedInput(side_px, crop_mode, seen, fold_encoders)
