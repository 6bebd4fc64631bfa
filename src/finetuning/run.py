"""Fine-tuning: a catalogue in, a photo encoder out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing
from ..core.device import keep_memory
from ..core.errors import ConfigError, OutputError, TrainingError
from ..core.extras import require_extra
from ..core.files import require_free_folder
from ..core.tracking import git_commit
from ..embedding.run_options import ResolvedOptions, RunOptions
from .backbones import Backbone, build_backbone, depthwise_in_float32
from .batchnorm_folding import fold_norms
from .config import FinetuneConfig
from .dataset import Prepared, prepare, settings_of
from .export import ENCODER, export_encoder
from .fitting import Machine, decide_epochs, make_schedule
from .folds import tune_parts
from .framing import decide_framing
from .state import RunState
from .weight_interpolation import average, blend, choose_blend

__all__ = ["FinetuneResult", "Machine", "finetune"]

GPU_FOLDS_FROM = 256
"""Photos at once from which a GPU folds norms: smaller steps wait for kernels to be started, and
folding starts more and shorter ones (benchmarks/finetune-h200.md)."""


@dataclass(frozen=True)
class FinetuneResult:
    """A finished run; load it as ``local-dir:FOLDER``.

    `facts` are what its ``finetuned.json`` says; `catalog` has unusable photos set aside.
    """

    folder: Path
    facts: dict[str, Any]
    catalog: Catalog

    @property
    def curves(self) -> dict[str, dict[int, float]]:
        """Held-out macro-F1, losses and speed by step."""
        names = ("loss", "title_loss", "macro_f1", "photos_per_s")
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
    options: RunOptions | None = None,
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
    MissingExtraError
        If Lightning isn't installed.
    ConfigError
        If `out` can't be written to, or the run can't be resumed.
    TrainingError
        If too few photos can be used.
    WeightsError
        If the backbone can't be had.
    """
    require_extra("finetune", "Fine-tuning")
    started, machine = time.monotonic(), machine or Machine()
    state = RunState.beside(out)
    first = state.first
    options = (options or RunOptions()).resolved(config.precision)
    options = replace(options, progress=options.progress and first)
    device = options.device
    if device == "cpu":
        keep_memory()
    pieces = config.accumulate * machine.devices * machine.nodes
    if config.batch_size % pieces:
        raise ConfigError(
            f"batch_size must be a multiple of {pieces}, the processes times accumulate, but is "
            f"{config.batch_size}."
        )
    if first:
        require_free_folder(out, ENCODER, replace=overwrite, inputs=(catalog.source,))
    build_backbone(config.backbone, 2)  # or say at once that it can't be had
    if first:
        state.begin(settings_of(catalog, outside, config, options.limits), resume=resume)
    framing, losses = decide_framing(catalog.listings, config, state, options)
    try:
        parts, backbone = prepare(catalog, outside, config, framing, state, options)
    except (OutputError, TrainingError):
        if first and not resume:
            state.remove()  # nothing to go on from
        raise
    _speed_up(backbone, config, options, machine)
    left = None
    if machine.max_minutes is not None:
        left = (machine.max_minutes * 60 - _since(started)) / len(parts)
    epochs = decide_epochs(parts[0], backbone, config, state, options, machine, left)
    tuned, history = tune_parts(
        backbone, parts, config, epochs, state, options, machine, first=first
    )
    if not first:
        return None
    shares = config.blend if backbone.pretrained else (1.0,)
    chosen = choose_blend(backbone.model, tuned, shares, state, options)
    blended = [blend(each.before, each.after, chosen.share) for each in tuned]
    catalog = parts[0].catalog
    seen, held_out = (_hashes(parts, name) for name in ("training", "held_out"))
    facts: dict[str, Any] = {
        "side_px": config.side_px,
        "crop_mode": framing.crop_mode,
        "framing": losses,
        "classes": parts[0].taxonomy.leaves,
        "sessions": dict(parts[0].sessions),
        "seen": seen,
        "held_out": sorted(set(held_out) - set(seen)),
        "n_seen": len(np.unique(np.concatenate([part.training for part in parts]))),
        "n_held_out": sum(len(part.held_out) for part in parts),
        "n_steps": sum(make_schedule(part, config, epochs).n_steps for part in parts),
        "history": history,
        "minutes": round(_since(started) / 60, 2),
        "blend": chosen.share,
        "measured": {str(share): levels for share, levels in chosen.measured.items()},
        "parent": {"backbone": config.backbone, "fingerprint": backbone.fingerprint},
        "precision": options.precision,
        "device": device,
        "config": config.model_dump(mode="json"),
        "seed": config.seed,
        "git_commit": git_commit(),
    }
    fold_encoders = {}
    if len(parts) > 1:
        fold_encoders = {
            f"fold-encoder-{number}.safetensors": each for number, each in enumerate(blended)
        }
        facts["fold_encoders"] = [
            {"weights": name, "held_out": _hashes([part], "held_out")}
            for name, part in zip(fold_encoders, parts, strict=True)
        ]
    model = backbone.model.cpu()
    model.load_state_dict(average(blended))
    export_encoder(out, model, facts, catalog, fold_encoders, overwrite=overwrite)
    state.remove()
    return FinetuneResult(out, facts, catalog)


def _speed_up(
    backbone: Backbone, config: FinetuneConfig, options: ResolvedOptions, machine: Machine
) -> None:
    """Change how the network computes, in place, as suits the machine."""
    from timm.layers import convert_sync_batchnorm

    on_gpu, n_processes = options.device.startswith("cuda"), machine.devices * machine.nodes
    if config.keeps_statistics(pretrained=backbone.pretrained):
        at_once = config.batch_size // (config.accumulate * n_processes)
        if not on_gpu or at_once >= GPU_FOLDS_FROM:
            fold_norms(backbone.model)
    elif on_gpu and n_processes > 1:
        convert_sync_batchnorm(backbone.model)
    if options.device == "cpu" and options.precision == "bfloat16":
        depthwise_in_float32(backbone.model)


def _hashes(parts: Sequence[Prepared], rows: str) -> list[str]:
    return sorted({part.hashes[row] for part in parts for row in getattr(part, rows)})


def _since(started: float) -> float:
    return time.monotonic() - started
