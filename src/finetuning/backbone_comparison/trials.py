"""One trial: run it, or find it done. Its file's name holds everything that it depends on."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...catalog.catalog import Catalog
from ...core.errors import TrainingError
from ...core.files import write_text
from ...embedding.run_options import ResolvedOptions
from ...vision.backbone import TUNED_FILE
from ...vision.encoder import PhotoEncoder
from ..backbones import build_backbone
from ..config import FinetuneConfig
from ..run import Machine, finetune
from ..state import SETTINGS, RunState
from .candidates import Candidate
from .dataset import Material
from .measure import as_encoder, measure, time_against
from .records import ARMS, Arm, Result, Trial

RUNS, ENCODERS = "runs", "encoders"


@dataclass(frozen=True)
class Settings:
    """What is compared: a recipe, whose backbone and seed are replaced, over seeds and arms.

    `max_minutes` are of each fine-tuning.
    """

    config: FinetuneConfig
    seeds: Sequence[int] = (0, 1, 2)
    arms: Sequence[Arm] = ARMS
    max_minutes: float | None = None


def run_trial(
    trial: Trial,
    candidate: Candidate,
    material: Material,
    out: Path,
    settings: Settings,
    options: ResolvedOptions,
) -> Result:
    """Measure one backbone in one arm, or read what was measured before under the same settings."""
    recipe = candidate.recipe(settings.config, trial.seed or 0)
    told: dict[str, Any] = {
        "material": material.digest,
        "weights": candidate.fingerprint,
        "seed": trial.seed,
        "precision": options.precision,
        "limits": asdict(options.limits),
    }
    if trial.arm == "frozen":
        told |= {"side_px": recipe.side_px, "crop_mode": recipe.crop_mode}
    else:
        told |= {"recipe": recipe.model_dump(mode="json"), "max_minutes": settings.max_minutes}
    name = run_name(trial.backbone, trial.arm, trial.seed, told)
    path = out / RUNS / f"{name}.json"
    if path.is_file():
        return read_result(path)
    rest: dict[str, Any] = {}
    if trial.arm == "frozen":
        model = build_backbone(trial.backbone, 2, trial.seed or 0).model
        encoder = as_encoder(model, recipe, options)
    else:
        folder = out / ENCODERS / name
        facts = _finetuned(folder, recipe, material, settings, options)
        encoder = PhotoEncoder.load(
            f"local-dir:{folder}",
            device=options.device,
            precision=options.precision,
            runtime=options.runtime,
        )
        rest = {key: facts[key] for key in ("minutes", "history")}
        rest["encoder"] = f"{ENCODERS}/{name}"
    result = Result(trial, *measure(encoder, material, options), **rest)
    _write(path, asdict(result))
    return result


def _finetuned(
    folder: Path,
    recipe: FinetuneConfig,
    material: Material,
    settings: Settings,
    options: ResolvedOptions,
) -> dict[str, Any]:
    """Fine-tune, or go on with it, or find it done; return what its file says."""
    state = RunState.beside(folder)
    watched = options.progress and sys.stderr.isatty()
    if not (folder / TUNED_FILE).is_file():
        done = finetune(
            Catalog.from_listings(material.train, need_category=True),
            folder,
            recipe,
            options=replace(options, progress=watched),
            machine=Machine(max_minutes=settings.max_minutes),
            resume=(state.folder / SETTINGS).is_file(),
        )
        if done is None:
            raise TrainingError(
                "Backbones are compared in one process. Don't start it by torchrun."
            )
    if state.folder.is_dir():  # killed after the last step, before tidying up
        state.remove()
    facts: dict[str, Any] = json.loads((folder / TUNED_FILE).read_text(encoding="utf-8"))
    return facts


def time_candidate(
    candidate: Candidate, out: Path, settings: Settings, options: ResolvedOptions
) -> Mapping[str, float]:
    """Time a backbone against the starter, or read what was timed before on the same terms."""
    recipe = candidate.recipe(settings.config)
    told = {
        "weights": candidate.fingerprint,
        "side_px": recipe.side_px,
        "place": [options.device, options.precision, options.runtime],
    }
    path = out / RUNS / f"{run_name(candidate.name, 'speed', None, told)}.json"
    if not path.is_file():
        encoder = as_encoder(build_backbone(candidate.name, 2).model, recipe, options)
        reference = encoder
        if candidate.name != "starter":
            reference = as_encoder(build_backbone("starter", 2).model, settings.config, options)
        _write(path, {**time_against(encoder, reference), "side_px": recipe.side_px})
    speed: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return speed


def run_name(backbone: str, arm: str, seed: int | None, told: Mapping[str, Any]) -> str:
    """Name a run by everything that its result depends on."""
    digest = hashlib.sha256(json.dumps([backbone, arm, told], sort_keys=True).encode())
    plain = re.sub(r"[^\w.]+", "-", backbone)[-60:].strip("-.")
    return "-".join([plain, arm, *([] if seed is None else [str(seed)]), digest.hexdigest()[:12]])


def read_result(path: Path) -> Result:
    """Read what a finished run found."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Result(**{**found, "trial": Trial(**found["trial"])})


def _write(path: Path, value: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(value, indent=2))
