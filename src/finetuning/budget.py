"""How many epochs fit into a time that is given."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.device import autocast
from ..embedding.run_options import ResolvedOptions
from .config import FinetuneConfig, Stage
from .data import Photos, TrainingPhotos, collate
from .schedule import Draw

if TYPE_CHECKING:
    from torch import nn

TRIAL = 8
"""Photos that are augmented, and on a CPU learned, to see how long it takes."""
TRIES = 4
MARGIN = 0.9
"""Share of the time that is planned; machines are busier at times."""


def epochs_within(
    seconds: float,
    config: FinetuneConfig,
    stage_s: Sequence[float],
    look_s: float,
    *,
    n_training: int,
    n_held_out: int,
) -> float:
    """Divide the time by what an epoch costs, after what the final comparison of weights costs.

    Parameters
    ----------
    stage_s
        Seconds to learn from one photo, by stage.
    look_s
        Seconds to answer one photo without learning.

    Returns
    -------
    float
        At least 1, even if that doesn't fit: less isn't worth the name.
    """
    step_s = float(np.average(stage_s, weights=[stage.share for stage in config.stages]))
    epoch_s = n_training * step_s + n_held_out * look_s
    last_s = len(config.blend) * (n_training + n_held_out) * look_s
    return max(1.0, (MARGIN * seconds - last_s) / epoch_s)


def time_stages(
    model: "nn.Module",
    photos: Photos,
    config: FinetuneConfig,
    options: ResolvedOptions,
    *,
    at_once: int,
    workers: int,
) -> tuple[list[float], float]:
    """Time learning from a photo in each stage, and answering one; the model stays as it was.

    On a GPU, which learns from `at_once` photos, `workers` augment others meanwhile; on a CPU they
    share its cores.
    """
    import torch

    from .backbones import train_layers

    data = TrainingPhotos(photos, config)
    on_cpu = options.device == "cpu"
    n = TRIAL if on_cpu else at_once
    model.eval().to(options.device).to(memory_format=torch.channels_last)

    def augment(stage: Stage) -> torch.Tensor:
        rows = [row % len(photos.labels) for row in range(TRIAL)]
        return collate([data[Draw(row, row, stage.side_px, stage.strength)] for row in rows])[0]

    def step(pixels: torch.Tensor, learn: bool) -> None:
        inputs = (pixels.to(options.device) / 255.0).contiguous(memory_format=torch.channels_last)
        with autocast(options.device, options.precision), torch.set_grad_enabled(learn):
            logits = model(inputs)
        if learn:
            logits.float().logsumexp(dim=1).sum().backward()
            model.zero_grad()
        logits.float().sum().item()  # waits for the device

    def learn_s(stage: Stage) -> float:
        train_layers(model, stage.trained_fraction)
        augment_s = _seconds(lambda: augment(stage)) / TRIAL
        pixels = augment(stage)[torch.arange(n) % TRIAL]
        step_s = _seconds(lambda: step(pixels, learn=True)) / n
        return augment_s + step_s if on_cpu or not workers else max(augment_s / workers, step_s)

    learning = [learn_s(stage) for stage in config.stages]
    largest = torch.zeros((n, 3, config.side_px, config.side_px), dtype=torch.uint8)
    return learning, _seconds(lambda: step(largest, learn=False)) / n


def _seconds(work: Callable[[], object]) -> float:
    """Time the quickest of some tries: one that is held up would plan far too few epochs."""
    work()  # warms up
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
