"""The training step for Lightning."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn
from torchmetrics.classification import MulticlassF1Score

from .backbones import Backbone, normalisation, train_layers
from .config import FinetuneConfig, Stage
from .dataset import Prepared
from .loss import Labels, balance, level_loss
from .schedule import Schedule, learning_rate_factor
from .title_distillation import TitleDistillation


class Finetuning(pl.LightningModule):  # type: ignore[misc]
    """A backbone and how it learns; there is no teacher if nothing is learned from titles."""

    def __init__(
        self,
        backbone: Backbone,
        prepared: Prepared,
        config: FinetuneConfig,
        schedule: Schedule,
        teacher: TitleDistillation | None,
    ) -> None:
        super().__init__()
        taxonomy, (mean, std) = prepared.taxonomy, normalisation(backbone.model)
        self.model, self.teacher = backbone.model, teacher
        self.config, self.schedule, self.taxonomy = config, schedule, taxonomy
        self.stage: Stage | None = None
        self.frozen_statistics = config.keeps_statistics(pretrained=backbone.pretrained)
        added, weights = balance(prepared.counts, config.imbalance)
        self._keep("added", torch.from_numpy(added))
        self._keep("weights", torch.from_numpy(weights))
        self._keep("groups", torch.from_numpy(taxonomy.groups))
        self._keep("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self._keep("std", torch.tensor(std).view(1, 3, 1, 1) * 255)
        for level, matrix in enumerate(taxonomy.sums):
            self._keep(f"sums{level}", torch.from_numpy(matrix))
        self.f1 = nn.ModuleList(
            MulticlassF1Score(int(row.max()) + 1, average="macro") for row in taxonomy.groups
        )

    def _keep(self, name: str, value: torch.Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Answer photos, uint8 ``(n, 3, side, side)``, by logits ``(n, n_leaves)``."""
        return self._answer(self._look(photos))

    def _look(self, photos: torch.Tensor) -> torch.Tensor:
        pixels = ((photos - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        seen = self.model.forward_features(pixels)  # type: ignore[operator]
        features: torch.Tensor = self.model.forward_head(seen, pre_logits=True)  # type: ignore[operator]
        return features

    def _answer(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model.get_classifier()(features)  # type: ignore[operator]
        return logits.float()

    def train(self, mode: bool = True) -> "Finetuning":
        """Switch to training; statistics of pretrained weights stay as they are."""
        super().train(mode)
        if self.frozen_statistics:
            for part in self.model.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()
        return self

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Set what depends on the step alone, so that a resumed run repeats it."""
        step = self.trainer.global_step
        stage = self.schedule.stage(step)
        if stage is not self.stage:
            self.stage = stage
            train_layers(self.model, stage.trained_fraction)
        self.model.drop_rate = stage.strength * self.config.dropout  # type: ignore[assignment]
        piece = step * self.config.accumulate + batch_idx % self.config.accumulate
        torch.manual_seed((self.config.seed + 1) * 2**32 + piece * 1024 + self.global_rank)

    def training_step(self, batch: tuple[torch.Tensor, Labels, torch.Tensor]) -> torch.Tensor:
        photos, labels, titles = batch
        features = self._look(photos)
        buffers: Mapping[str, Any] = dict(self.named_buffers(recurse=False))
        loss = level_loss(
            self._answer(features),
            labels,
            [buffers[f"sums{level}"] for level in range(self.taxonomy.levels)],
            buffers["groups"],
            added=buffers["added"],
            weights=buffers["weights"],
            smoothing=self.config.label_smoothing,
        )
        self._note("loss", loss, len(photos))
        if self.teacher is not None:
            asked = self.teacher(features.float(), titles)
            self._note("title_loss", asked, len(photos))
            loss = loss + self.config.titles * asked
        return loss

    def _note(self, name: str, value: torch.Tensor, n: int) -> None:
        self.log(name, value, prog_bar=True, sync_dist=True, batch_size=n)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        photos, labels = batch
        probabilities = torch.softmax(self(photos), dim=1)
        for level, metric in enumerate(self.f1):
            answers = (probabilities @ getattr(self, f"sums{level}")).argmax(dim=1)
            metric.update(answers, self.groups[level][labels])  # type: ignore[operator]

    def on_validation_epoch_end(self) -> None:
        scores = torch.stack([metric.compute() for metric in self.f1])  # type: ignore[operator]
        for metric in self.f1:
            metric.reset()  # type: ignore[operator]
        self.log("macro_f1", scores.mean(), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with layer-wise learning rates; `lr_scale` of each group is timm's."""
        from timm.optim import param_groups_layer_decay

        config = self.config
        train_layers(self.model, 1.0)
        groups = param_groups_layer_decay(
            self.model, config.weight_decay, layer_decay=config.layer_decay
        )
        for group in groups:
            group["lr"] = config.learning_rate * group.pop("lr_scale")
        if self.teacher is not None:
            groups.append({"params": self.teacher.parameters(), "lr": config.learning_rate})
        optimiser = torch.optim.AdamW(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_factor(step, self.schedule.n_steps, config.warmup)
        )
        return [optimiser], [{"scheduler": schedule, "interval": "step"}]
