"""The command that measures a bundle on labelled listings."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.tracking import LOCAL_STORE, log_run
from .messages import say, say_shift
from .options import (
    BundleFolder,
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    Mlflow,
    OnShiftOption,
    Outside,
    PhotoOptions,
    photos_outside,
    takes_options,
)


@takes_options
def evaluate(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    outside: Outside = None,
    on_shift: OnShiftOption = "review",
    mlflow: Mlflow = LOCAL_STORE,
) -> None:
    """Compare fusion with photo and text alone on labelled listings; write a report."""
    from rich.console import Console

    from ..core.files import atomic_folder, require_free_folder
    from ..evaluation.compare import compare
    from ..evaluation.evaluate import evaluate as answer
    from ..evaluation.evaluate import thumbnails
    from ..evaluation.messages import accepted_text
    from ..evaluation.pictures import save_confusion
    from ..evaluation.plots import precision_by_coverage
    from ..evaluation.report import REPORT, write_report
    from ..evaluation.tables import comparison_table
    from ..pipeline.pipeline import ListingPipeline

    require_free_folder(out, REPORT, replace=True, inputs=(listings,))
    catalog = file.catalog(listings, need_category=True)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    evaluation, catalog = answer(
        pipeline, catalog, outside=photos_outside(outside), on_shift=on_shift
    )
    file.require_usable(catalog)
    header = {"bundle": f"{bundle.name} ({pipeline.version})", "listings": listings.name}
    with atomic_folder(out, REPORT, replace=True) as staging:
        write_report(evaluation, staging, photos=thumbnails(catalog), header=header)
        save_confusion(evaluation, staging)
        catalog.write_rejected(staging / "rejected.csv")
    metrics = compare(evaluation)
    say(catalog.summary(), rejected=out / "rejected.csv")
    Console().print(comparison_table(metrics))
    say_shift(evaluation.shift, on_shift)
    if evaluation.shift is None or on_shift != "review":
        say(accepted_text(metrics["accepted"]))
    if ood := metrics.get("ood"):
        say(
            f"Out of catalogue: {ood['refused_outside']:.1%} of {ood['n_outside']} outside photos "
            f"refused, and {ood['refused_inside']:.1%} of the catalogue's listings; "
            f"AUROC {ood['auroc']:.3f}, FPR95 {ood['fpr95']:.3f} (photos alone)."
        )
    say(f"The report is {out / 'report.html'}.")
    log_run(
        mlflow,
        experiment="shelfsure-evaluate",
        name=f"{bundle.name}-{listings.stem}",
        parameters={"bundle": str(bundle), "version": pipeline.version, "listings": str(listings)},
        metrics=metrics,
        files=out,
        curves={"precision_at_coverage_percent": precision_by_coverage(evaluation)},
        data=listings,
    )
