"""Every backbone, arm and seed in turn; what is done already isn't done again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...core.errors import OutputError
from ...core.extras import require_extra
from ...core.kinds import FolderKind, folder_marked
from ...embedding.run_options import ResolvedOptions
from .candidates import Candidate
from .dataset import Material
from .records import Comparison, Trial
from .report import RESULTS, write_report
from .trials import Settings, run_trial, time_candidate

COMPARISON = FolderKind("a comparison", folder_marked(RESULTS, {"facts", "rows", "results"}, "*"))


def compare_backbones(
    candidates: Sequence[Candidate],
    material: Material,
    out: Path,
    settings: Settings,
    options: ResolvedOptions,
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

    Raises
    ------
    OutputError
        If results can't be written.
    MissingExtraError
        If there is fine-tuning among it, and Lightning isn't installed.
    """
    if "finetuned" in settings.arms:
        require_extra("finetune", "Fine-tuning")
    comparison = Comparison(
        names=tuple(dict.fromkeys(names)) or tuple(c.name for c in candidates),
        arms=settings.arms,
        candidates=candidates,
        skipped=skipped or {},
        facts=facts_of(material, settings, options),
    )
    by_name = {candidate.name: candidate for candidate in candidates}
    trials = planned(candidates, settings)
    write_report(comparison, out)
    hidden = None if options.progress else True
    with tqdm(total=len(candidates) + len(trials), desc="Backbones", disable=hidden) as bar:
        for candidate in candidates:
            bar.set_description(f"{candidate.name}, speed")
            with _failing(comparison.untimed, candidate.name):
                comparison.speeds[candidate.name] = time_candidate(
                    candidate, out, settings, options
                )
            bar.update()
        for trial in trials:
            bar.set_description(str(trial))
            with _failing(comparison.failed, trial):
                candidate = by_name[trial.backbone]
                result = run_trial(trial, candidate, material, out, settings, options)
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
    except OutputError:  # a disk that takes nothing concerns all of them
        raise
    except Exception as error:  # noqa: BLE001 (whatever a network raises concerns that one alone)
        reasons[what] = f"{type(error).__name__}: {error}"


def facts_of(material: Material, settings: Settings, options: ResolvedOptions) -> dict[str, Any]:
    """Say what all trials have in common: for the report and for MLflow."""
    return {
        "n_train": len(material.train),
        "n_test": len(material.test),
        "n_left_out": material.n_left_out,
        "n_categories": len(material.class_names),
        "largest_fraction": material.largest_fraction,
        "data_digest": material.digest,
        "seeds": list(settings.seeds),
        "max_minutes": settings.max_minutes,
        "device": options.device,
        "precision": options.precision,
        "runtime": options.runtime,
        "recipe": settings.config.model_dump(mode="json", exclude={"backbone", "seed"}),
    }
