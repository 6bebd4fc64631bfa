"""Fine-tuning: a catalogue in, a photo encoder out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..device import pick_device, pick_precision
from ..errors import ConfigError, TrainingError
from ..listings.catalog import Catalog
from ..listings.listing import Listing
from ..tracking import git_commit
from ..vision.encoder import PhotoLimits
from .backbones import depthwise_in_float32, normalisation
from .blending import blend_model
from .config import FinetuneConfig
from .export import check_out, export_encoder
from .features import Runs
from .fitting import Machine, decide_epochs, fit, make_plan
from .kept_memory import keep_memory
from .preparing import load_head, prepare, settings_of
from .squares import Framing
from .state import RunState, is_first_process

__all__ = ["FinetuneResult", "Machine", "finetune"]


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
        """Held-out macro-F1 and losses by step."""
        names = ("loss", "title_loss", "macro_f1")
        points = self.facts["history"]
        curves = {n: {int(p["step"]): p[n] for p in points if n in p} for n in names}
        return {name: curve for name, curve in curves.items() if curve}

    @property
    def levels(self) -> dict[str, dict[str, float]]:
        """What the chosen weights reached on held-out photos, by level."""
        chosen = self.facts["measured"][str(self.facts["blend"])]
        return {f"level{n}": measured for n, measured in enumerate(chosen, start=1)}


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
    if device == "cpu":
        keep_memory()
    framing = Framing(config.side_px, config.crop_mode, limits or PhotoLimits())
    parts = config.accumulate * machine.devices * machine.nodes
    if config.batch_size % parts:
        raise ConfigError(
            f"batch_size must be a multiple of {parts}, the processes times accumulate, but is "
            f"{config.batch_size}."
        )
    if first:
        check_out(out, overwrite=overwrite)
    mean, std = normalisation(config.backbone)
    if first:
        state.begin(settings_of(catalog, outside, config, framing), resume=resume)
    runs = Runs(device, precision, mean, std, progress=machine.progress and first)
    try:
        prepared, backbone = prepare(catalog, outside, config, framing, state, runs, first=first)
    except TrainingError:
        if first and not resume:
            state.remove()  # nothing to go on from
        raise
    load_head(backbone, state)
    if device == "cpu" and precision == "bfloat16":
        depthwise_in_float32(backbone.model)
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    left = None if machine.max_minutes is None else machine.max_minutes * 60 - _since(started)
    epochs = decide_epochs(prepared, backbone, config, state, runs, left, first=first)
    plan = make_plan(prepared, config, epochs)
    history = fit(backbone, prepared, plan, config, state, runs, machine)
    if not first:
        return None
    model = backbone.model
    after = {name: value.cpu().clone() for name, value in model.state_dict().items()}
    shares = config.blend if backbone.pretrained else (1.0,)
    chosen = blend_model(model, before, after, prepared, shares, state, runs)
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
        "git_commit": git_commit(),
    }
    export_encoder(out, model, facts, prepared.catalog, mean=mean, std=std)
    state.remove()
    return FinetuneResult(out, facts, prepared.catalog)


def _since(started: float) -> float:
    return time.monotonic() - started
