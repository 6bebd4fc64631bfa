"""The command that judges a file of listings."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import say, say_shift
from .options import (
    BundleFolder,
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    OnShiftOption,
    PhotoOptions,
    takes_options,
)


@takes_options
def predict(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Verdicts: .csv, .jsonl or .parquet.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    no_duplicates: Annotated[
        bool, typer.Option("--no-duplicates", help="Don't look for duplicates: twice as fast.")
    ] = False,
    no_quality: Annotated[
        bool, typer.Option("--no-quality", help="Don't look for flaws of the photos.")
    ] = False,
    on_shift: OnShiftOption = "review",
) -> None:
    """Judge listings; every row of the file gets its line, rejected ones with the reason."""
    from collections import Counter

    from ..pipeline.batch import check_suffix, judge, write_verdicts
    from ..pipeline.pipeline import ListingPipeline

    check_suffix(out)
    catalog = file.catalog(listings, need_category=False)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    rows = judge(
        pipeline, catalog, duplicates=not no_duplicates, quality=not no_quality, on_shift=on_shift
    )
    write_verdicts(out, rows)
    counts = Counter(verdict.decision for _, verdict in rows)
    say_shift(next((verdict.shift for _, verdict in rows if verdict.shift), None), on_shift)
    say(", ".join(f"{n:,} {decision}" for decision, n in counts.most_common()) + f"; in {out}.")
