"""Fine-tuning: a catalogue in, a photo encoder out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Ints
from ..device import pick_device, pick_precision
from ..errors import ConfigError
from ..listings.catalog import Catalog
from ..listings.listing import Listing
from ..tracking import _commit
from ..vision.encoder import PhotoLimits
from .blending import Blend, Measured, blend, choose_share
from .config import FinetuneConfig
from .export import check_out, export_encoder
from .features import Runs, judge_features, pooled_features
from .plan import Plan, draw_weights
from .preparing import Prepared, frozen_features, load_head, prepare, settings_of
from .squares import Framing
from .state import BEST, RunState, is_first_process
from .taxonomy import OUTSIDE

if TYPE_CHECKING:
    from torch import nn

    from .backbones import Backbone

EPOCHS = "epochs"
MAX_JUDGED = 20_000
"""Training photos that a head is fitted on when weights are compared."""


@dataclass(frozen=True)
class FinetuneResult:
    """A finished run.

    Parameters
    ----------
    folder
        Load it as ``local-dir:FOLDER``.
    facts
        What its ``finetuned.json`` says.
    catalog
        With unusable photos set aside.
    """

    folder: Path
    facts: dict[str, Any]
    catalog: Catalog

    @property
    def curves(self) -> dict[str, dict[int, float]]:
        """Held-out macro-F1 and loss by step."""
        names = ("loss", "macro_f1")
        points = self.facts["history"]
        return {n: {int(p["step"]): p[n] for p in points if n in p} for n in names}

    @property
    def levels(self) -> dict[str, dict[str, float]]:
        """What the chosen weights reached on held-out photos, by level."""
        chosen = self.facts["measured"][str(self.facts["blend"])]
        return {f"level{n}": measured for n, measured in enumerate(chosen, start=1)}


@dataclass(frozen=True)
class Machine:
    """What a run may use.

    Parameters
    ----------
    devices, nodes
        Processes on each machine, and machines.
    max_minutes
        As many epochs are planned as fit into this, up to the configured number.
    """

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    max_minutes: float | None = None
    progress: bool = False


def finetune(
    catalog: Catalog,
    out: Path,
    config: FinetuneConfig,
    *,
    outside: Sequence[Listing] = (),
    limits: PhotoLimits | None = None,
    machine: Machine | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> FinetuneResult | None:
    """Fine-tune a backbone on a labelled catalogue's photos.

    Parameters
    ----------
    catalog
        Read with ``need_category=True``.
    outside
        Photos of what the catalogue doesn't sell; the network learns them as a category of its own.
    resume
        Go on with an unfinished run.

    Returns
    -------
    FinetuneResult or None
        None in all but the first process of a distributed run.

    Raises
    ------
    ConfigError
        If `out` can't be written to, or the run can't be resumed.
    TrainingError
        If too few photos can be used.
    WeightsError
        If the backbone can't be had.
    """
    machine = machine or Machine()
    started, first = time.monotonic(), is_first_process()
    state = RunState.beside(out)
    device = pick_device(machine.device)
    precision = pick_precision(config.precision, device)
    framing = Framing(config.side_px, config.crop_mode, limits or PhotoLimits())
    parts = config.accumulate * machine.devices * machine.nodes
    if config.batch_size % parts:
        raise ConfigError(
            f"batch_size must be a multiple of {parts}, the processes times accumulate, but is "
            f"{config.batch_size}."
        )
    if first:
        check_out(out, overwrite=overwrite)
        state.begin(settings_of(catalog, outside, config, framing), resume=resume)
    mean, std = _normalisation(config.backbone)
    runs = Runs(device, precision, mean, std, progress=machine.progress and first)
    prepared, backbone = prepare(catalog, outside, config, framing, state, runs, first=first)
    load_head(backbone, state)
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    left = None if machine.max_minutes is None else machine.max_minutes * 60 - _since(started)
    epochs = _epochs(prepared, backbone, config, state, runs, left, first=first)
    plan = _plan(prepared, config, epochs)
    history = _fit(backbone, prepared, plan, config, state, runs, machine)
    if not first:
        return None
    model = backbone.model
    after = {name: value.cpu().clone() for name, value in model.state_dict().items()}
    chosen = _blend(model, before, after, prepared, config, state, runs, backbone.pretrained)
    facts = {
        "side_px": config.side_px,
        "crop_mode": config.crop_mode,
        "classes": prepared.taxonomy.leaves,
        "seen": sorted({prepared.hashes[row] for row in prepared.training}),
        "held_out": sorted({prepared.hashes[row] for row in prepared.held_out}),
        "n_seen": len(prepared.training),
        "n_held_out": len(prepared.held_out),
        "n_steps": plan.n_steps,
        "history": history,
        "minutes": round(_since(started) / 60, 2),
        "blend": chosen.share,
        "measured": {str(share): levels for share, levels in chosen.measured.items()},
        "parent": {"backbone": config.backbone, "fingerprint": backbone.fingerprint},
        "precision": precision,
        "device": device,
        "config": config.model_dump(mode="json"),
        "seed": config.seed,
        "git_commit": _commit(),
    }
    export_encoder(out, model, facts, prepared.catalog, mean=mean, std=std)
    state.remove()
    return FinetuneResult(out, facts, prepared.catalog)


def _epochs(
    prepared: Prepared,
    backbone: "Backbone",
    config: FinetuneConfig,
    state: RunState,
    runs: Runs,
    seconds: float | None,
    *,
    first: bool,
) -> float:
    """Decide once how long to train; a resumed run and other processes learn of it."""
    from .budget import epochs_within, time_stages
    from .data import Photos
    from .squares import Part

    decided = state.recall(EPOCHS, wait=not first)
    if decided is not None:
        return float(decided)
    epochs = config.epochs
    if seconds is not None:
        part = Photos(Part(prepared.squares, prepared.training), prepared.labels[prepared.training])
        stage_s, look_s = time_stages(backbone.model, part, config, runs)
        fitting = epochs_within(
            seconds,
            config.stages,
            stage_s,
            look_s,
            n_training=len(prepared.training),
            n_held_out=len(prepared.held_out),
            n_looks=len(config.blend),
        )
        epochs = min(epochs, fitting)
    state.remember(EPOCHS, epochs)
    return epochs


def _plan(prepared: Prepared, config: FinetuneConfig, epochs: float) -> Plan:
    labels = prepared.labels[prepared.training]
    round_steps = min(max(1, len(labels) // config.batch_size), config.checkpoint_steps)
    n_steps = epochs * len(labels) / config.batch_size
    return Plan(
        weights=draw_weights(labels, config.oversample),
        batch_size=config.batch_size,
        n_steps=max(1, round(n_steps / round_steps)) * round_steps,
        round_steps=round_steps,
        stages=config.stages,
        seed=config.seed,
    )


def _fit(
    backbone: "Backbone",
    prepared: Prepared,
    plan: Plan,
    config: FinetuneConfig,
    state: RunState,
    runs: Runs,
    machine: Machine,
) -> list[dict[str, float]]:
    """Train, and give the backbone its best weights; returns loss and macro-F1 by step."""
    import torch

    from .data import PhotoData, Photos
    from .module import Finetuning
    from .squares import Part
    from .trainer import History, known_warnings, make_trainer

    def part(rows: Ints) -> Photos:
        return Photos(Part(prepared.squares, rows), prepared.labels[rows])

    trainer = make_trainer(
        config,
        plan,
        state.folder,
        device=runs.device,
        precision=runs.precision,
        devices=machine.devices,
        nodes=machine.nodes,
        progress=machine.progress,
    )
    module = Finetuning(
        backbone, prepared.taxonomy, prepared.counts, config, plan, mean=runs.mean, std=runs.std
    )
    data = PhotoData(
        part(prepared.training), part(prepared.held_out), config, plan, _workers(config, machine)
    )
    module.train()  # Lightning takes a network as it finds it
    with known_warnings():
        trainer.fit(
            module.to(memory_format=torch.channels_last),
            datamodule=data,
            ckpt_path=state.checkpoint,
            weights_only=True,
        )
    best = state.folder / BEST
    if best.is_file() and trainer.is_global_zero:
        kept = torch.load(best, map_location="cpu", weights_only=True)
        module.cpu().load_state_dict(kept["state_dict"])
    (history,) = (x for x in trainer.callbacks if isinstance(x, History))
    return history.points


def _blend(
    model: "nn.Module",
    before: Any,
    after: Any,
    prepared: Prepared,
    config: FinetuneConfig,
    state: RunState,
    runs: Runs,
    pretrained: bool,
) -> Blend:
    """Give the model the weights between before and after that do best on held-out photos."""
    inside = np.array(
        [
            row
            for row in prepared.training
            if prepared.taxonomy.leaves[prepared.labels[row]] != OUTSIDE
        ]
    )[:MAX_JUDGED]
    rows = np.concatenate([inside, prepared.held_out])
    training, held_out = np.arange(len(inside)), np.arange(len(inside), len(rows))
    labels = prepared.labels[rows]
    levels = [group[labels] for group in prepared.taxonomy.groups]

    def measure(share: float) -> Measured:
        found = frozen_features(state)
        if share == 0.0 and found is not None:
            usable = np.flatnonzero(prepared.labels >= 0)
            return judge_features(found[np.searchsorted(usable, rows)], training, held_out, levels)
        model.load_state_dict(blend(before, after, share))
        features = pooled_features(model, prepared.squares, rows, runs)
        return judge_features(features, training, held_out, levels)

    chosen = choose_share(config.blend if pretrained else (1.0,), measure)
    model.cpu().load_state_dict(blend(before, after, chosen.share))
    return chosen


def _normalisation(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the mean and deviation of pixels that a backbone was trained with."""
    from timm.data import resolve_model_data_config

    from .backbones import build_backbone

    data = resolve_model_data_config(build_backbone(backbone, 2).model)
    return tuple(map(float, data["mean"])), tuple(map(float, data["std"]))


def _workers(config: FinetuneConfig, machine: Machine) -> int:
    import os

    if config.workers is not None:
        return config.workers
    cores = os.cpu_count() or 1
    return min(12, max(1, cores // machine.devices - 1))


def _since(started: float) -> float:
    return time.monotonic() - started
