"""The command that measures a bundle under the conditions that uploads have."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.tracking import LOCAL_STORE, log_run
from .messages import print_table, say
from .options import (
    BundleFolder,
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    Mlflow,
    PhotoOptions,
    takes_options,
)

BROKEN = 4


@takes_options
def robustness(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    only: Annotated[
        str | None, typer.Option(help="Conditions to try, as dark,jpeg (default: all).")
    ] = None,
    mlflow: Mlflow = LOCAL_STORE,
) -> None:
    """Disturb photos and titles of labelled listings; say where the promise breaks (exit code 4).

    Each condition, such as bad light, blur or typos, is tried at three strengths, on all that
    listings have and on the disturbed part alone.
    """
    from ..core.files import atomic_folder, require_free_folder
    from ..evaluation.robustness.conditions import chosen
    from ..evaluation.robustness.measure import measure
    from ..evaluation.robustness.report import ROBUSTNESS, promise_text, write_report
    from ..evaluation.robustness.summary import summary
    from ..pipeline.pipeline import ListingPipeline

    conditions = chosen(only)
    require_free_folder(out, ROBUSTNESS, replace=True, inputs=(listings,))
    catalog = file.catalog(listings, need_category=True)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    found = measure(pipeline, catalog, conditions)
    file.require_usable(found.catalog)
    said = summary(found) | {"model_version": pipeline.version}
    header = {"bundle": f"{bundle.name} ({pipeline.version})", "listings": listings.name}
    with atomic_folder(out, ROBUSTNESS, replace=True) as staging:
        write_report(found, said, staging, header=header)
        found.catalog.write_rejected(staging / "rejected.csv")
    say(found.catalog.summary(), rejected=out / "rejected.csv")
    print_table(
        ("condition", "strength", "by", "right", "accepted", "right of those", "promise"),
        [
            (
                *(cell["condition"], cell["strength"], cell["by"]),
                *(f"{cell['accuracy']:.1%}", f"{cell['accepted']:.1%}"),
                "" if cell["precision"] is None else f"{cell['precision']:.1%}",
                "" if cell["kept"] else "broken",
            )
            for cell in said["cells"]
        ],
    )
    say(promise_text(said))
    say(f"The report is {out / 'robustness.html'}.")
    log_run(
        mlflow,
        experiment="shelfsure-robustness",
        name=f"{bundle.name}-{listings.stem}",
        parameters={"bundle": str(bundle), "version": pipeline.version, "listings": str(listings)},
        metrics={
            f"{cell['condition']}.{cell['severity']}.{cell['by']}": {
                **{name: cell[name] for name in ("accuracy", "accepted", "precision")},
                "kept": int(cell["kept"]),
            }
            for cell in said["cells"]
        },
        files=out,
        data=listings,
    )
    if said["broken"]:
        raise typer.Exit(BROKEN)
