"""How encoders run: given once, handed on whole."""

from dataclasses import dataclass, field
from typing import Literal

from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..core.device import Precision, Runtime, pick_device, pick_precision
from ..vision.load import PhotoLimits
from ..vision.preprocess import CropMode

UNDECIDED: CropMode = "border"
"""What ``crop_mode: auto`` is where nobody compares framings."""


@dataclass(frozen=True)
class RunOptions:
    """Where and how encoders run, and what they take.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda``, ``mps``.
    precision
        ``auto``: what the configuration, the recipe or the bundle says.
    runtime
        What computes the encoders: ``auto`` (the fastest here, once there is work for it),
        ``torch``, ``onnxruntime``, ``openvino``.
    limits
        What a photo may be.
    cache
        Where embeddings are remembered; None embeds everything anew.
    progress
        Show bars with rate and time left on standard error, if that is a terminal.
    """

    device: str = "auto"
    precision: Precision | Literal["auto"] = "auto"
    runtime: Runtime = "auto"
    limits: PhotoLimits = field(default_factory=PhotoLimits)
    cache: EmbeddingCache | None = None
    progress: bool = False

    def resolved(self, configured: Precision | Literal["auto"]) -> "ResolvedOptions":
        """Replace ``auto`` by what was configured, or else by what this machine does best.

        Raises
        ------
        ConfigError
            If the device isn't there.
        """
        device = pick_device(self.device)
        wanted = configured if self.precision == "auto" else self.precision
        found = {"device": device, "precision": pick_precision(wanted, device)}
        return ResolvedOptions(**vars(self) | found)

    def applied_to(self, config: Config) -> Config:
        """Replace ``auto`` in a configuration, so that a bundle names what it ran on."""
        image, text = config.image, config.text
        framed = UNDECIDED if image.crop_mode == "auto" else image.crop_mode
        changed = {"precision": self.resolved(image.precision).precision, "crop_mode": framed}
        image = image.model_copy(update=changed)
        text = text.model_copy(update={"precision": self.resolved(text.precision).precision})
        return config.model_copy(update={"image": image, "text": text})


@dataclass(frozen=True)
class ResolvedOptions(RunOptions):
    """The same with a device and a precision that this machine has."""

    precision: Precision = "float32"
