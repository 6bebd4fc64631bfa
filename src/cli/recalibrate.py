"""The command that calibrates a bundle anew on listings of another kind."""

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    BundleFolder,
    EncoderOptions,
    FileOptions,
    Overwrite,
    PhotoOptions,
    takes_options,
)


@takes_options
def recalibrate(
    bundle: BundleFolder,
    reviewed: Annotated[
        Path,
        typer.Argument(help="Labelled listings of the new kind, or a review queue (.sqlite)."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    overwrite: Overwrite = False,
) -> None:
    """Calibrate a bundle anew on some hundred labelled listings of another kind.

    For another seller, season or photographer: new temperatures, weights, cut-offs and a new
    calibration of the detector, without training anew. Afterwards accepting goes on.
    """
    import tempfile

    from ..core.files import require_free_folder
    from ..pipeline.bundle import BUNDLE
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.recalibration import recalibrate as calibrated_anew

    out = out.resolve()
    require_free_folder(out, BUNDLE, replace=overwrite)
    with tempfile.TemporaryDirectory() as folder:
        if reviewed.suffix == ".sqlite":
            from ..serving.review.store import ReviewStore

            reviewed = (
                ReviewStore(reviewed).export(Path(folder) / "answers").folder / "catalogue.csv"
            )
        catalog = file.catalog(reviewed, need_category=True)
        pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
        calibrated = calibrated_anew(pipeline, catalog).save(out, overwrite=overwrite)
    catalog = calibrated.catalog or catalog
    catalog.write_rejected(out / "rejected.csv")
    typer.echo(catalog.summary())
    full = max(calibrated.facts["evidence"], key=lambda each: len(each["modalities"]))
    rule, right = full["accept"], calibrated.facts["forecast"]["new_groups"]["right"]
    if rule["threshold"] > 1:
        typer.echo(
            f"{right:.1%} right. Warning: nothing will be accepted: {rule['n_groups']:,} labelled "
            f"listings or groups couldn't show a precision of {rule['target_precision']:.1%}. "
            f"It takes {rule['n_groups_needed']:,} accepted without a mistake, or more with some. "
            "Label more."
        )
    else:
        typer.echo(
            f"{right:.1%} right. Expected: {rule['coverage']:.0%} accepted without a look, at "
            f"least {rule['target_precision']:.1%} of them right."
        )
    typer.echo(f"Bundle {calibrated.version} is in {out}; its README.md says more.")
