"""A comparison in MLflow: one run for the whole, one child a backbone and seed."""

from collections.abc import Iterator
from pathlib import Path

from ...core.tracking import OFF, log_run, reaching
from .records import Comparison, Result
from .report import PAGE, PICTURE, RESULTS, TABLE

EXPERIMENT = "shelfsure-backbones"
MEASURED = ("top1", "top1_sd", "macro_f1", "macro_f1_sd", "minutes")


def log_comparison(uri: str, comparison: Comparison, out: Path, data: Path) -> str:
    """Log what a comparison found, learned from the catalogue's file `data`; see `log_run`.

    Gives the parent run's id, empty if `uri` is ``none``.

    Raises
    ------
    TrackingError
        If the store can't be reached.
    """
    if uri == OFF:
        return ""
    parent = log_run(
        uri,
        experiment=EXPERIMENT,
        name=out.name,
        parameters={
            **comparison.facts,
            "catalogue": str(data),
            "backbones": ", ".join(comparison.names),
            "skipped": {key_of(name): why for name, why in comparison.skipped.items()},
            "failed": {key_of(str(trial)): why for trial, why in comparison.failed.items()},
        },
        metrics={
            f"{key_of(row.backbone)}.{row.arm}": {name: getattr(row, name) for name in MEASURED}
            for row in comparison.rows()
        },
        files=out / PAGE,
        data=data,
    )
    with reaching(uri, f"{out} is complete without it. Check --mlflow, or pass --mlflow {OFF}."):
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        for name in (TABLE, RESULTS, PICTURE):
            client.log_artifact(parent, str(out / name))
    sizes = {candidate.name: candidate.n_parameters for candidate in comparison.candidates}
    for backbone, seed, results in _children(comparison):
        points = [point for result in results for point in result.history]
        log_run(
            uri,
            experiment=EXPERIMENT,
            name=backbone if seed is None else f"{backbone}, seed {seed}",
            parameters={"backbone": backbone, "seed": seed, "recipe": comparison.facts["recipe"]},
            metrics={
                **{
                    r.trial.arm: {"top1": r.top1, "macro_f1": r.macro_f1, "minutes": r.minutes}
                    for r in results
                },
                **comparison.speeds.get(backbone, {}),
                "n_parameters": sizes[backbone],
            },
            files=out / PAGE,
            curves={
                curve: {int(point["step"]): point[name] for point in points if name in point}
                for curve, name in (("loss", "loss"), ("held_out_macro_f1", "macro_f1"))
            },
            data=data,
            parent=parent,
        )
    return parent


def key_of(text: str) -> str:
    """Write a name as MLflow takes one: letters, digits, ``_``, ``-``, ``.`` and spaces."""
    return "".join(c if c.isalnum() or c in "_-. " else "-" for c in text).strip("-. ")


def _children(comparison: Comparison) -> Iterator[tuple[str, int | None, list[Result]]]:
    """Pair each backbone with its seeds; what no seed changes belongs to all of them."""
    for candidate in comparison.candidates:
        own = [r for r in comparison.results if r.trial.backbone == candidate.name]
        seeds = dict.fromkeys(r.trial.seed for r in own)
        for seed in seeds:
            if seed is not None or len(seeds) == 1:
                yield candidate.name, seed, [r for r in own if r.trial.seed in {None, seed}]
