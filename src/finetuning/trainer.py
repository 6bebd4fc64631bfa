"""Lightning's trainer, set up so that a killed run can go on."""

import logging
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.strategies import DDPStrategy

from ..core.files import atomic_path
from ..embedding.run_options import ResolvedOptions
from .config import FinetuneConfig
from .schedule import Schedule
from .state import BEST, LAST

SCORE = "macro_f1"


class AtomicCheckpoints(TorchCheckpointIO):  # type: ignore[misc]
    """Checkpoints that are whole or absent: Lightning's own go through another disk's folder."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,  # noqa: ARG002
    ) -> None:
        """Write beside the old one, then take its place."""
        with atomic_path(path) as partial:
            torch.save(checkpoint, partial)


@contextmanager
def known_warnings() -> Iterator[None]:
    """Silence what Lightning warns of, and is meant here."""
    with warnings.catch_warnings():
        for message in (
            "Found .* in eval mode",  # frozen statistics
            "Checkpoint directory .* not empty",  # the run's own folder
            ".*does not have many workers",
            ".*isinstance.treespec, LeafSpec.* is deprecated",
            ".*Trying to infer the `batch_size`",
            ".*broadcast_buffers. is deprecated",  # older PyTorch has no other name
            ".*sync_dist=True. when logging on epoch level",  # torchmetrics has summed them up
        ):
            warnings.filterwarnings("ignore", message)
        yield


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt: Lightning leaves the process, and ignores further ones."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, before)
            raise KeyboardInterrupt from error
        raise


def make_trainer(
    config: FinetuneConfig,
    schedule: Schedule,
    state: Path,
    history: "History",
    options: ResolvedOptions,
    devices: int,
    nodes: int,
) -> pl.Trainer:
    """Set up training; checkpoints go to the folder `state`."""
    progress = options.progress and sys.stderr.isatty()
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    kind = options.device.split(":")[0]
    if kind == "cuda":  # nothing reads memory before it is written
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    strategy: Any = "auto"
    if devices * nodes > 1:
        # buffers are frozen statistics; layers that stand still have no gradients
        strategy = DDPStrategy(
            process_group_backend="nccl" if kind == "cuda" else "gloo",
            find_unused_parameters=True,
            broadcast_buffers=False,
        )
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(kind, kind),
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        precision="bf16-mixed" if options.precision == "bfloat16" else "32-true",
        plugins=[AtomicCheckpoints()],
        callbacks=[history, *callbacks(config, schedule, state, progress=progress)],
        max_epochs=schedule.n_rounds,
        check_val_every_n_epoch=max(1, schedule.epoch_steps // schedule.round_steps),
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        logger=False,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        deterministic="warn" if kind == "cuda" else None,
        enable_model_summary=False,
        enable_progress_bar=progress,
        default_root_dir=state,
    )


class History(Callback):  # type: ignore[misc]
    """Losses, held-out macro-F1 and speed by step, kept with the checkpoints."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.points: list[dict[str, float]] = []
        self._begun = self._ended = 0.0
        self._from_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Start the clock."""
        self._begin(trainer)

    def on_train_batch_end(self, *_: Any) -> None:
        """Note when the round's last step ended; validation may follow."""
        self._ended = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Note the round's last values."""
        known = {
            name: float(trainer.callback_metrics[name])
            for name in ("loss", "title_loss", SCORE)
            if name in trainer.callback_metrics
        }
        photos = (trainer.global_step - self._from_step) * self.batch_size
        known["photos_per_s"] = photos / (self._ended - self._begun)
        self.points.append({"step": trainer.global_step, **known})
        self._begin(trainer)

    def _begin(self, trainer: pl.Trainer) -> None:
        self._begun, self._from_step = time.perf_counter(), trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        return {"points": self.points}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.points = state_dict["points"]


class LastStageStopping(EarlyStopping):  # type: ignore[misc]
    """Early stopping that waits for the last stage: before, there is more to come by plan."""

    def __init__(self, schedule: Schedule, patience: int) -> None:
        super().__init__(SCORE, patience=patience, mode="max", check_on_train_epoch_end=False)
        self.schedule = schedule

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the score, in the last stage only."""
        if self.schedule.stage(trainer.global_step) is self.schedule.stages[-1]:
            super().on_validation_end(trainer, pl_module)


def callbacks(
    config: FinetuneConfig, schedule: Schedule, state: Path, *, progress: bool
) -> list[Callback]:
    """Averaged weights, early stopping, and two checkpoints: the best, and the last to resume."""
    chosen: list[Callback] = []
    if config.ema_epochs:
        steps = max(1.0, config.ema_epochs * schedule.epoch_steps)
        chosen.append(EMAWeightAveraging(decay=1 - 1 / (1 + steps)))
    if config.patience:
        chosen.append(LastStageStopping(schedule, config.patience))
        best = Path(BEST).stem
        chosen.append(ModelCheckpoint(state, best, SCORE, mode="max", enable_version_counter=False))
    # after the others, so that it knows their state
    last = Path(LAST).stem
    chosen.append(
        ModelCheckpoint(state, last, save_on_train_epoch_end=True, enable_version_counter=False)
    )
    if progress:
        chosen.append(TQDMProgressBar())
    return chosen
