"""A photo encoder's whole computation: pixels in, unit vectors out, whatever runs it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..core.runtimes.session import Graph

if TYPE_CHECKING:
    from .preprocess import Preprocessing


class PhotoGraph(torch.nn.Module):
    """Normalise pixels, run a timm backbone up to its classifier, scale to unit length."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, backbone: torch.nn.Module, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Take shape ``(n, side, side, 3)``, 0 to 255; return what the backbone takes."""
        batch = pixels.permute(0, 3, 1, 2)  # channels last in memory already
        return ((batch / 255.0) - self.mean) / self.std

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Take shape ``(n, side, side, 3)``, 0 to 255; return ``(n, dim)``, unit length."""
        features = self.backbone.forward_features(self.normalised(pixels))  # type: ignore[operator]
        pooled = self.backbone.forward_head(features, pre_logits=True)  # type: ignore[operator]
        return torch.nn.functional.normalize(pooled.float(), dim=1)


def photo_graph(backbone: torch.nn.Module, preprocessing: "Preprocessing") -> Graph:
    """Describe a photo encoder to other runtimes."""
    side = preprocessing.side_px
    return Graph(
        module=PhotoGraph(backbone, preprocessing.mean, preprocessing.std).eval(),
        inputs={"pixels": torch.zeros((2, side, side, 3), dtype=torch.uint8)},
        axes={"pixels": {0: "batch"}},
    )
