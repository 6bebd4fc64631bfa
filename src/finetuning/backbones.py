"""Networks by name, and how their layers are ordered."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..core.errors import WeightsError
from ..core.weights import state_fingerprint
from ..vision.backbone import PACKAGED, ensemble_names, load_backbone

if TYPE_CHECKING:
    from torch import nn

LIGHT_CNN = "light-cnn"
LIGHT_ARCHITECTURE: tuple[str, dict[str, Any]] = (
    "resnet10t",
    {"channels": (32, 64, 128, 256), "stem_width": 16},
)
"""A residual network of eight convolutions and 1.2 million weights, built by timm."""
RANDOM = "random:"


@dataclass(frozen=True)
class Backbone:
    """A timm model with a new classifier, and whether its other weights were trained before.

    `fingerprint` is that of the weights that training starts from.
    """

    model: "nn.Module"
    pretrained: bool
    fingerprint: str


def build_backbone(name: str, n_outputs: int, seed: int = 0) -> Backbone:
    """Build the network of a name (see `FinetuneConfig.backbone`), with `n_outputs`.

    `seed` draws what isn't pretrained.

    Raises
    ------
    WeightsError
        If the weights can't be had, timm has no such architecture, or it is an ensemble.
    """
    import timm
    import torch

    if len(ensemble_names(name)) > 1:
        raise WeightsError(
            f"A single backbone can be fine-tuned, but {name} is an ensemble. Name one of its "
            "members, or use the ensemble as it is: shelfsure train --image-encoder."
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pretrained = name != LIGHT_CNN and not name.startswith(RANDOM)
        if name == LIGHT_CNN:
            architecture, arguments = LIGHT_ARCHITECTURE
            model = timm.create_model(architecture, **arguments)
        elif name.startswith(RANDOM):
            architecture = name.removeprefix(RANDOM)
            if architecture in PACKAGED:
                architecture = PACKAGED[architecture].architecture
            try:
                model = timm.create_model(architecture, pretrained=False)
            except RuntimeError as error:
                raise WeightsError(
                    f"{name} must name an architecture of timm, but: {error}."
                ) from error
        else:
            model = load_backbone(name)
        fingerprint = state_fingerprint(model.state_dict(), {"backbone": name})
        model.reset_classifier(n_outputs)
    return Backbone(model, pretrained, fingerprint)


def layer_numbers(model: "nn.Module") -> dict[str, int]:
    """Number each parameter's layer, from 0 at the photo to the classifier."""
    from timm.models import group_parameters

    numbers: dict[str, int] = group_parameters(
        model,
        model.group_matcher(coarse=False),  # type: ignore[operator]
        reverse=True,
    )
    return numbers


def train_layers(model: "nn.Module", trained_fraction: float) -> None:
    """Let the last layers learn, and the classifier always; the others stand still."""
    numbers = layer_numbers(model)
    top = max(numbers.values())
    first = round((1 - trained_fraction) * top)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(numbers.get(name, top) >= min(first, top))


def depthwise_in_float32(model: "nn.Module") -> None:
    """Leave depthwise convolutions out of mixed precision, for CPUs.

    PyTorch's backward of them takes four times as long in bfloat16 there as in float32, and they
    hold few of the multiplications. Without gradients they stay in it.
    """
    from torch import nn

    for part in model.modules():
        if isinstance(part, nn.Conv2d) and 1 < part.groups == part.in_channels:
            kind: Any = type(part)
            part.__class__ = _in_float32(kind)


@lru_cache
def _in_float32(kind: Any) -> Any:
    import torch

    class InFloat32(kind):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not torch.is_grad_enabled():
                plain: torch.Tensor = super().forward(x)
                return plain
            with torch.autocast(x.device.type, enabled=False):
                answer: torch.Tensor = super().forward(x.float())
            return answer

    return InFloat32


def normalisation(model: "nn.Module") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the mean and deviation of pixels, from 0 to 1, that a network expects."""
    from timm.data import resolve_model_data_config

    data = resolve_model_data_config(model)
    return tuple(map(float, data["mean"])), tuple(map(float, data["std"]))
