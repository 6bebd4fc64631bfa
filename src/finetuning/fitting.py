"""From prepared photos to trained weights."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.arrays import Ints
from ..embedding.run_options import ResolvedOptions
from .backbones import Backbone
from .config import FinetuneConfig
from .dataset import Prepared, frozen_rows
from .image_store import ImageStore
from .schedule import Schedule, draw_weights
from .state import BEST, RunState

if TYPE_CHECKING:
    from .data import Photos
    from .title_distillation import TitleDistillation

EPOCHS = "epochs"
MAX_WORKERS = 16
MIN_TITLES = 20
"""With fewer, nothing is learned from titles."""


@dataclass(frozen=True)
class Machine:
    """How many processes a run may use: `devices` on each of `nodes` machines; and for how long.

    As many epochs are planned as fit into `max_minutes`, up to the configured number.
    """

    devices: int = 1
    nodes: int = 1
    max_minutes: float | None = None


def decide_epochs(
    prepared: Prepared,
    backbone: Backbone,
    config: FinetuneConfig,
    state: RunState,
    options: ResolvedOptions,
    machine: Machine,
    seconds: float | None,
) -> float:
    """Decide once how long to train; a resumed run and other processes learn of it."""
    from .budget import epochs_within, time_stages

    decided = state.recall(EPOCHS, wait=not state.first)
    if decided is not None:
        return float(decided)
    epochs = config.epochs
    if seconds is not None:
        rows = prepared.training
        stage_s, look_s = time_stages(
            backbone.model,
            _part(prepared, rows),
            config,
            options,
            at_once=config.batch_size // (config.accumulate * machine.devices * machine.nodes),
            workers=_n_workers(config, machine),
        )
        fitting = epochs_within(
            seconds,
            config,
            stage_s,
            look_s,
            n_training=len(rows),
            n_held_out=len(prepared.held_out),
        )
        epochs = min(epochs, fitting)
    state.remember(EPOCHS, epochs)
    return epochs


def make_schedule(prepared: Prepared, config: FinetuneConfig, epochs: float) -> Schedule:
    """Divide the epochs into steps, and these into rounds of one length."""
    labels = prepared.labels[prepared.training]
    round_steps = min(max(1, len(labels) // config.batch_size), config.checkpoint_steps)
    n_steps = epochs * len(labels) / config.batch_size
    return Schedule(
        weights=draw_weights(labels, config.oversample),
        batch_size=config.batch_size,
        n_steps=max(1, round(n_steps / round_steps)) * round_steps,
        round_steps=round_steps,
        stages=config.stages,
        seed=config.seed,
    )


def fit(
    backbone: Backbone,
    prepared: Prepared,
    schedule: Schedule,
    config: FinetuneConfig,
    state: RunState,
    place: RunState,
    options: ResolvedOptions,
    machine: Machine,
) -> list[dict[str, float]]:
    """Train, and give the backbone its best weights.

    `state` is that of the whole run, `place` this encoder's, with its checkpoints.

    Returns
    -------
    list of dict
        ``step``, ``loss``, ``photos_per_s`` and, where photos were validated, ``macro_f1`` of each
        round.
    """
    import torch

    from .data import PhotoData
    from .module import Finetuning
    from .trainer import History, known_warnings, make_trainer, stoppable

    history = History(config.batch_size)
    trainer: Any = make_trainer(
        config, schedule, place.folder, history, options, machine.devices, machine.nodes
    )
    teacher = _teacher(backbone, prepared, config, state)
    module = Finetuning(backbone, prepared, config, schedule, teacher)
    workers = _n_workers(config, machine)
    training, held_out = (_part(prepared, r) for r in (prepared.training, prepared.held_out))
    data = PhotoData(training, held_out, config, schedule, workers)
    module.train()  # Lightning takes a network as it finds it
    with known_warnings(), stoppable():
        trainer.fit(
            module.to(memory_format=torch.channels_last),
            datamodule=data,
            ckpt_path=place.checkpoint,
            weights_only=True,
        )
    best = place.folder / BEST
    if best.is_file() and trainer.is_global_zero:
        kept = torch.load(best, map_location="cpu", weights_only=True)
        module.cpu().load_state_dict(kept["state_dict"])
    return history.points


def _part(prepared: Prepared, rows: Ints) -> "Photos":
    from torch.utils.data import Subset

    from .data import Photos

    titles = None if prepared.titles is None else prepared.titles[rows]
    squares: ImageStore = Subset(prepared.squares, rows.tolist())  # type: ignore[arg-type]
    return Photos(squares, prepared.labels[rows], titles)


def _teacher(
    backbone: Backbone, prepared: Prepared, config: FinetuneConfig, state: RunState
) -> "TitleDistillation | None":
    from .title_distillation import TitleDistillation

    if prepared.titles is None:
        return None
    titles = prepared.titles[prepared.training]
    if titles.any(axis=1).sum() < MIN_TITLES:
        return None
    classifier: Any = backbone.model.get_classifier()  # type: ignore[operator]
    teacher = TitleDistillation(classifier.in_features, titles, config.seed)
    frozen = frozen_rows(prepared, prepared.training, state)
    if frozen is not None:
        teacher.start(frozen, titles)
    return teacher


def _n_workers(config: FinetuneConfig, machine: Machine) -> int:
    if config.workers is not None:
        return config.workers
    cores = os.cpu_count() or 1
    return min(MAX_WORKERS, max(1, cores // machine.devices - 1))
