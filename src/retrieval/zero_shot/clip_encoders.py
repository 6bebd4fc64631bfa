"""The two towers of a contrastive model, each an encoder of its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...core.arrays import Floats
from ...core.device import Precision, autocast
from ...core.weights import state_fingerprint
from ...embedding.encoders import Square
from ...vision.preprocess import CropMode, Preprocessing, SquareInput

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
BATCH = 32
CROP_MODES: dict[str, CropMode] = {"shortest": "center", "longest": "border", "squash": "squash"}


@dataclass(frozen=True)
class Towers:
    """An open_clip model where it runs."""

    model: Any
    device: str
    precision: Precision

    def embed(self, tower: Callable[[Any], Any], batches: Iterable["torch.Tensor"]) -> list[Floats]:
        """Run one tower; unit rows of shape ``(n, dim)`` for each batch."""
        import torch

        rows = []
        for batch in batches:
            with torch.inference_mode(), autocast(self.device, self.precision):
                vectors = tower(batch.to(self.device))
            rows.append(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy())
        return rows


class ClipPhotos(SquareInput):
    """The image tower as an encoder: ``encode(squares) -> (n, dim)``, unit length."""

    def __init__(self, towers: Towers) -> None:
        self.towers = towers
        settings = towers.model.visual.preprocess_cfg
        size = settings["size"]
        self.preprocessing = Preprocessing(
            side_px=size if isinstance(size, int) else size[-1],
            crop_fraction=1.0,
            crop_mode=CROP_MODES[settings["resize_mode"]],
            mean=tuple(settings["mean"]),
            std=tuple(settings["std"]),
        )
        self.fingerprint = state_fingerprint(
            towers.model.state_dict(),
            {
                "kind": "open_clip-1",
                "precision": towers.precision,
                **asdict(self.preprocessing),
            },
        )
        side = self.preprocessing.side_px
        self.dim = int(self._embed([np.zeros((side, side, 3), np.uint8)])[0].shape[1])

    def encode(self, items: Sequence[Square]) -> Floats:
        """Embed prepared photos; shape ``(n, dim)``, float32, unit length."""
        return np.concatenate([np.zeros((0, self.dim), np.float32), *self._embed(items)])

    def _embed(self, items: Sequence[Square]) -> list[Floats]:
        import torch

        mean = torch.tensor(self.preprocessing.mean).view(1, 3, 1, 1)
        std = torch.tensor(self.preprocessing.std).view(1, 3, 1, 1)
        batches = (
            (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2) / 255.0 - mean) / std
            for part in _parts(items)
        )
        return self.towers.embed(self.towers.model.encode_image, batches)


class ClipTexts:
    """The text tower with its tokenizer: ``encode(texts) -> (n, dim)``, unit length."""

    def __init__(self, towers: Towers, tokenizer: Any, photos: ClipPhotos) -> None:
        self.towers = towers
        self.tokenizer = tokenizer
        self.dim = photos.dim
        self.fingerprint = state_fingerprint(
            {},
            {
                "weights": photos.fingerprint,
                "tokenizer": type(tokenizer).__name__,
                "max_tokens": tokenizer.context_length,
                "text": "clean_text-1",
            },
        )

    def encode(self, items: Sequence[str]) -> Floats:
        """Embed cleaned texts; shape ``(n, dim)``, float32, unit length."""
        batches = (self.tokenizer(list(part)) for part in _parts(items))
        rows = self.towers.embed(self.towers.model.encode_text, batches)
        return np.concatenate([np.zeros((0, self.dim), np.float32), *rows])


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
