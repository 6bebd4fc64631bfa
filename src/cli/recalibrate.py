"""The command that calibrates a bundle anew on listings of another kind."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import say, say_expected
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
    from ..catalog.export import REJECTED
    from ..core.files import require_free_file, require_free_folder
    from ..core.scratch import scratch_folder
    from ..pipeline.bundle import BUNDLE
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.recalibration import recalibrate as calibrated_anew

    out = out.resolve()
    require_free_folder(out, BUNDLE, replace=overwrite)
    require_free_file(out / "rejected.csv", REJECTED, inputs=(reviewed,))
    with scratch_folder() as folder:
        if reviewed.suffix == ".sqlite" and reviewed.is_file():  # a missing one would be made
            from ..serving.review.store import ReviewStore

            reviewed = ReviewStore(reviewed).export(folder / "answers").folder / "catalogue.csv"
        catalog = file.catalog(reviewed, need_category=True)
        pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
        calibrated = calibrated_anew(pipeline, catalog)
        file.require_usable(calibrated.catalog or catalog)
        calibrated = calibrated.save(out, overwrite=overwrite)
    catalog = calibrated.catalog or catalog
    catalog.write_rejected(out / "rejected.csv")
    say(catalog.summary(), rejected=out / "rejected.csv")
    right = calibrated.facts["forecast"]["new_groups"]["right"]
    say(f"{right:.1%} right, by answers to listings that it wasn't calibrated on.")
    say_expected(calibrated)
    say(f"Bundle {calibrated.version} is in {out}; its README.md says more.")
