"""How many epochs fit into a time that is given."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..device import autocast
from .config import FinetuneConfig, Stage
from .data import Photos, TrainingPhotos, collate
from .features import Runs
from .plan import Draw

if TYPE_CHECKING:
    from torch import nn

TRIAL = 8
"""Photos that are timed; a first batch of them warms up."""
MARGIN = 0.9
"""Share of the time that is planned; machines are busier at times."""


def epochs_within(
    seconds: float,
    stages: Sequence[Stage],
    stage_s: Sequence[float],
    look_s: float,
    *,
    n_training: int,
    n_held_out: int,
    n_looks: int,
) -> float:
    """Divide the time by what an epoch costs, after what the final comparison of weights costs.

    Parameters
    ----------
    stage_s
        Seconds to learn from one photo, by stage.
    look_s
        Seconds to answer one photo without learning.
    n_looks
        How often all photos are answered in the end.

    Returns
    -------
    float
        At least 1, even if that doesn't fit: less isn't worth the name.
    """
    total = sum(stage.share for stage in stages)
    step_s = sum(stage.share * s for stage, s in zip(stages, stage_s, strict=True)) / total
    epoch_s = n_training * step_s + n_held_out * look_s
    last_s = n_looks * (n_training + n_held_out) * look_s
    return max(1.0, (MARGIN * seconds - last_s) / epoch_s)


def time_stages(
    model: "nn.Module", photos: Photos, config: FinetuneConfig, runs: Runs
) -> tuple[list[float], float]:
    """Time learning from a photo in each stage, and answering one; the model stays as it was."""
    import torch

    from .backbones import train_layers

    data = TrainingPhotos(photos, config)
    model.eval().to(runs.device).to(memory_format=torch.channels_last)

    def step(stage: Stage, learn: bool) -> None:
        rows = [row % len(photos.labels) for row in range(TRIAL)]
        samples = [data[Draw(row, row, stage.side_px, stage.strength)] for row in rows]
        pixels = collate(samples)[0].to(runs.device) / 255.0
        inputs = pixels.contiguous(memory_format=torch.channels_last)
        with autocast(runs.device, runs.precision), torch.set_grad_enabled(learn):
            logits = model(inputs)
        if learn:
            logits.float().logsumexp(dim=1).sum().backward()
            model.zero_grad()
        logits.float().sum().item()  # waits for the device

    def timed(stage: Stage, learn: bool) -> float:
        train_layers(model, stage.trained_fraction)
        step(stage, learn)
        started = time.perf_counter()
        step(stage, learn)
        return (time.perf_counter() - started) / TRIAL

    learning = [timed(stage, learn=True) for stage in config.stages]
    largest = max(config.stages, key=lambda stage: stage.side_px)
    return learning, timed(largest, learn=False)
