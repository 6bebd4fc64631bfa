"""Photos for Lightning: each draw's chance comes from its own number, not from who draws it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..core.arrays import Floats, Ints
from .augment import augment, mix
from .config import FinetuneConfig
from .image_store import ImageStore
from .loss import Labels
from .schedule import Draw, Schedule, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sample(NamedTuple):
    """One augmented photo, and what it shows; `title` is zeros where there is none, or two mix."""

    photo: torch.Tensor
    first: int
    second: int
    share: float
    title: torch.Tensor


@dataclass(frozen=True)
class Photos:
    """Photos, their leaves of shape ``(n,)``, and titles ``(n, d)``, if they are learned from."""

    squares: ImageStore
    labels: Ints
    titles: Floats | None = None


class TrainingPhotos(Dataset[Sample]):
    """Augmented photos by draw."""

    def __init__(self, photos: Photos, config: FinetuneConfig) -> None:
        self.photos, self.config = photos, config

    def __getitem__(self, draw: Draw) -> Sample:
        settings = self.config.augmentation
        chance = np.random.default_rng([self.config.seed, 2, draw.number])
        with torch.random.fork_rng(devices=[]):
            # `torch.manual_seed` would note where it was called for each device that isn't there
            torch.default_generator.manual_seed(int(chance.integers(2**62)))
            photo = self._augmented(draw.row, draw, chance)
            own = int(self.photos.labels[draw.row])
            if chance.random() >= draw.strength * settings.mix:
                return Sample(photo, own, own, 1.0, self._title(draw.row))
            other = int(chance.integers(len(self.photos.labels)))
            mixed, share = mix(photo, self._augmented(other, draw, chance))
            second = int(self.photos.labels[other])
            return Sample(mixed, own, second, share, torch.zeros_like(self._title(draw.row)))

    def _title(self, row: int) -> torch.Tensor:
        titles = self.photos.titles
        return torch.zeros(0) if titles is None else torch.from_numpy(titles[row])

    def _augmented(self, row: int, draw: Draw, chance: np.random.Generator) -> torch.Tensor:
        settings, squares = self.config.augmentation, self.photos.squares
        behind = int(chance.integers(len(self.photos.labels)))
        wanted = chance.random() < draw.strength * settings.backdrop
        return augment(
            squares[row],
            squares[behind] if wanted else None,
            settings,
            draw.side_px,
            draw.strength,
        )


class PlainPhotos(Dataset[tuple[torch.Tensor, int]]):
    """Photos as they are."""

    def __init__(self, photos: Photos) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        pixels = torch.from_numpy(np.array(self.photos.squares[row])).permute(2, 0, 1)
        return pixels, int(self.photos.labels[row])


def collate(samples: "Sequence[Sample]") -> tuple[torch.Tensor, Labels, torch.Tensor]:
    """Stack photos, shape ``(n, 3, side, side)``, uint8; labels; and titles, ``(n, d)``."""
    photos, first, second, share, titles = zip(*samples, strict=True)
    labels = Labels(torch.tensor(first), torch.tensor(second), torch.tensor(share))
    return torch.stack(photos), labels, torch.stack(titles)


class PhotoData(pl.LightningDataModule):  # type: ignore[misc]
    """One round's training photos at a time, and the held-out ones.

    So many `workers` are processes that augment; 0 augments between the steps.
    """

    def __init__(
        self,
        training: Photos,
        held_out: Photos,
        config: FinetuneConfig,
        schedule: Schedule,
        workers: int,
    ) -> None:
        super().__init__()
        self.training, self.held_out = training, held_out
        self.config, self.schedule, self.workers = config, schedule, workers

    def train_dataloader(self) -> DataLoader[Sample]:
        trainer: Any = self.trainer
        steps = Steps(
            self.schedule,
            lambda: trainer.global_step,  # right in a resumed run too
            part=trainer.global_rank,
            n_parts=trainer.world_size,
            accumulate=self.config.accumulate,
        )
        return DataLoader(
            TrainingPhotos(self.training, self.config),
            batch_sampler=steps,
            collate_fn=collate,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self._on_gpu,
        )

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, int]]:
        trainer: Any = self.trainer
        return DataLoader(
            PlainPhotos(self.held_out),
            sampler=range(trainer.global_rank, len(self.held_out.labels), trainer.world_size),
            batch_size=max(1, self.config.batch_size // trainer.world_size),
            num_workers=(workers := self.workers if self._on_gpu else 0),
            persistent_workers=workers > 0,
            pin_memory=self._on_gpu,
        )

    @property
    def _on_gpu(self) -> bool:
        trainer: Any = self.trainer
        return bool(trainer.strategy.root_device.type == "cuda")
