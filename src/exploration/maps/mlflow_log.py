"""An exploration in MLflow: one run for the whole, one child a family."""

from pathlib import Path

from ...core.tracking import OFF, log_run
from .explore import Exploration
from .report import PAGE, TABLE, family_values, values

EXPERIMENT = "shelfsure-explore"


def log_exploration(uri: str, found: Exploration, out: Path, data: Path) -> str:
    """Log what was found in the catalogue `data`; see `log_run`.

    Gives the parent run's id, empty if `uri` is ``none``.

    Raises
    ------
    TrackingError
        If the store can't be reached.
    """
    if uri == OFF:
        return ""
    told = values(found)
    parent = log_run(
        uri,
        experiment=EXPERIMENT,
        name=out.name,
        parameters={
            "catalogue": str(data),
            **{name: told[name] for name in ("n_listings", "n_rejected", "levels", "groups")},
            "best": ", ".join(found.best),
            "skipped": ", ".join(found.skipped),
            "config": found.config.model_dump(mode="json"),
        },
        metrics={"n_listings": told["n_listings"], "n_families": len(found.looks)},
        files=out / PAGE,
        data=data if data.is_file() else None,
    )
    for one in found.looks:
        log_run(
            uri,
            experiment=EXPERIMENT,
            name=one.name,
            parameters={"family": one.name, "modality": one.modality},
            metrics=family_values(one),
            files=out / TABLE,
            data=data if data.is_file() else None,
            parent=parent,
        )
    return parent
