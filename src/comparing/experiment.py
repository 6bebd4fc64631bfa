"""Every backbone, arm and seed in turn; what is done already isn't done again."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..atomic import atomic_path
from ..errors import ConfigError, TrainingError
from ..finetuning.backbones import build_backbone
from ..finetuning.config import FinetuneConfig
from ..finetuning.run import Machine, finetune
from ..finetuning.state import SETTINGS, RunState
from ..listings.catalog import Catalog
from ..vision.encoder import PhotoEncoder
from ..vision.tuned import TUNED_FILE
from .candidates import Candidate
from .material import Material
from .measuring import Place, as_encoder, measure, time_against
from .records import ARMS, Arm, Comparison, Result, Trial
from .report import RESULTS, write_report

RUNS, ENCODERS = "runs", "encoders"


@dataclass(frozen=True)
class Settings:
    """What is compared.

    Parameters
    ----------
    config
        The recipe; its backbone and seed are replaced.
    max_minutes
        Of each fine-tuning.
    """

    config: FinetuneConfig
    seeds: Sequence[int] = (0, 1, 2)
    arms: Sequence[Arm] = ARMS
    max_minutes: float | None = None


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else, before any work.

    Raises
    ------
    ConfigError
        If `out` is neither new, nor empty, nor an earlier comparison.
    """
    if (
        out.exists()
        and not (out / RESULTS).is_file()
        and not (out.is_dir() and not any(out.iterdir()))
    ):
        raise ConfigError(
            f"A comparison is written to a new or empty folder, or goes on with an earlier one, "
            f"but {out} holds something else. Choose another --out."
        )


def compare_backbones(
    candidates: Sequence[Candidate],
    material: Material,
    out: Path,
    settings: Settings,
    place: Place,
    *,
    skipped: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
) -> Comparison:
    """Measure every candidate; one that fails doesn't end the rest.

    Results are on disk after every trial, so a stopped comparison goes on where it was when it is
    started again with the same settings.

    Parameters
    ----------
    skipped
        What `find_candidates` couldn't find: it keeps its rows.
    names
        The order of the rows; default: that of the candidates.
    """
    comparison = Comparison(
        names=tuple(dict.fromkeys(names)) or tuple(c.name for c in candidates),
        arms=settings.arms,
        candidates=candidates,
        skipped=skipped or {},
        facts=_facts(material, settings, place),
    )
    by_name = {candidate.name: candidate for candidate in candidates}
    trials = planned(candidates, settings)
    write_report(comparison, out)
    hidden = None if place.progress else True
    with tqdm(total=len(candidates) + len(trials), desc="Backbones", disable=hidden) as bar:
        for candidate in candidates:
            bar.set_description(f"{candidate.name}, speed")
            with _failing(comparison.untimed, candidate.name):
                comparison.speeds[candidate.name] = _speed(candidate, out, settings, place)
            bar.update()
        for trial in trials:
            bar.set_description(str(trial))
            with _failing(comparison.failed, trial):
                candidate = by_name[trial.backbone]
                result = _result(trial, candidate, material, out, settings, place)
                comparison.results.append(result)
            write_report(comparison, out)
            bar.update()
    return comparison


def planned(candidates: Sequence[Candidate], settings: Settings) -> list[Trial]:
    """Order the trials: frozen ones, then seed by seed: so a stop leaves a fair table."""
    trials: list[Trial] = []
    seeds = tuple(dict.fromkeys(settings.seeds))
    if "frozen" in settings.arms:
        trials += [
            Trial(candidate.name, "frozen", seed)
            for candidate in candidates
            for seed in ((None,) if candidate.pretrained else seeds)
        ]
    if "finetuned" in settings.arms:
        trials += [Trial(c.name, "finetuned", seed) for seed in seeds for c in candidates]
    return trials


@contextmanager
def _failing(reasons: dict[Any, str], what: Any) -> Iterator[None]:
    """Note why something failed, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever a network raises concerns that one alone)
        reasons[what] = f"{type(error).__name__}: {error}"


def _result(
    trial: Trial,
    candidate: Candidate,
    material: Material,
    out: Path,
    settings: Settings,
    place: Place,
) -> Result:
    recipe = candidate.recipe(settings.config, trial.seed or 0)
    told: dict[str, Any] = {
        "material": material.digest,
        "weights": candidate.fingerprint,
        "seed": trial.seed,
        "precision": place.precision,
        "limits": asdict(place.limits),
    }
    if trial.arm == "frozen":
        told |= {"side_px": recipe.side_px, "crop_mode": recipe.crop_mode}
    else:
        told |= {"recipe": recipe.model_dump(mode="json"), "max_minutes": settings.max_minutes}
    name = run_name(trial.backbone, trial.arm, trial.seed, told)
    path = out / RUNS / f"{name}.json"
    if path.is_file():
        return read_result(path)
    if trial.arm == "frozen":
        model = build_backbone(trial.backbone, 2, trial.seed or 0).model
        judged = measure(as_encoder(model, recipe, place), material, place)
        result = Result(trial, judged.top1, judged.macro_f1)
    else:
        folder = out / ENCODERS / name
        facts = _finetuned(folder, recipe, material, settings, place)
        encoder = PhotoEncoder.load(
            f"local-dir:{folder}",
            device=place.device,
            precision=place.precision,
            runtime=place.runtime,
        )
        judged = measure(encoder, material, place)
        minutes, history = facts["minutes"], facts["history"]
        encoders = f"{ENCODERS}/{name}"
        result = Result(trial, judged.top1, judged.macro_f1, minutes, encoders, history)
    _write(path, asdict(result))
    return result


def _finetuned(
    folder: Path, recipe: FinetuneConfig, material: Material, settings: Settings, place: Place
) -> dict[str, Any]:
    """Fine-tune, or go on with it, or find it done; return what its file says."""
    state = RunState.beside(folder)
    watched = place.progress and sys.stderr.isatty()
    if not (folder / TUNED_FILE).is_file():
        done = finetune(
            Catalog.from_listings(material.train, need_category=True),
            folder,
            recipe,
            limits=place.limits,
            machine=Machine(place.device, max_minutes=settings.max_minutes, progress=watched),
            resume=(state.folder / SETTINGS).is_file(),
        )
        if done is None:
            raise TrainingError(
                "Backbones are compared in one process. Don't start it by torchrun."
            )
    facts: dict[str, Any] = json.loads((folder / TUNED_FILE).read_text(encoding="utf-8"))
    return facts


def _speed(
    candidate: Candidate, out: Path, settings: Settings, place: Place
) -> Mapping[str, float]:
    recipe = candidate.recipe(settings.config)
    told = {
        "weights": candidate.fingerprint,
        "side_px": recipe.side_px,
        "place": [place.device, place.precision, place.runtime],
    }
    path = out / RUNS / f"{run_name(candidate.name, 'speed', None, told)}.json"
    if not path.is_file():
        encoder = as_encoder(build_backbone(candidate.name, 2).model, recipe, place)
        reference = encoder
        if candidate.name != "starter":
            reference = as_encoder(build_backbone("starter", 2).model, settings.config, place)
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
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(value, indent=2), encoding="utf-8")


def _facts(material: Material, settings: Settings, place: Place) -> dict[str, Any]:
    return {
        "n_train": len(material.train),
        "n_test": len(material.test),
        "n_left_out": material.n_left_out,
        "n_categories": len(material.class_names),
        "largest_fraction": material.largest_fraction,
        "data_digest": material.digest,
        "seeds": list(settings.seeds),
        "max_minutes": settings.max_minutes,
        "device": place.device,
        "precision": place.precision,
        "runtime": place.runtime,
        "recipe": settings.config.model_dump(mode="json", exclude={"backbone", "seed"}),
    }
