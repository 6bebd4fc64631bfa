"""The command that judges a file of listings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .messages import say, say_shift
from .options import (
    AuditOption,
    BundleFolder,
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    OnShiftOption,
    PhotoOptions,
    share_of,
    takes_options,
)

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.verdict import Verdict
    from ..serving.review.audit import Auditor


@takes_options
def predict(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Verdicts: .csv, .jsonl or .parquet.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    no_duplicates: Annotated[
        bool,
        typer.Option(
            "--no-duplicates", help="Don't look for duplicates, nor hold them: twice as fast."
        ),
    ] = False,
    no_quality: Annotated[
        bool, typer.Option("--no-quality", help="Don't look for flaws of the photos.")
    ] = False,
    on_shift: OnShiftOption = "review",
    audit: AuditOption = None,
    reviews: Annotated[
        Path | None, typer.Option(help="The review queue for audits (default: the user's).")
    ] = None,
) -> None:
    """Judge listings; every row of the file gets its line, rejected ones with the reason."""
    from collections import Counter

    from ..pipeline.batch import check_out, judge, require_judged, write_verdicts
    from ..pipeline.pipeline import ListingPipeline

    check_out(out, inputs=(listings,))
    share = share_of(audit, "--audit") if audit else None
    catalog = file.catalog(listings, need_category=False)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    auditor = _auditor(pipeline, reviews, share) if share else None
    rows = judge(
        pipeline, catalog, duplicates=not no_duplicates, quality=not no_quality, on_shift=on_shift
    )
    require_judged(rows, file.min_usable)
    if auditor:
        rows = _audited(pipeline, catalog, rows, auditor)
    write_verdicts(out, rows, catalog)
    counts = Counter(verdict.decision for _, verdict in rows)
    say_shift(next((verdict.shift for _, verdict in rows if verdict.shift), None), on_shift)
    say(", ".join(f"{n:,} {decision}" for decision, n in counts.most_common()) + f"; in {out}.")


def _auditor(pipeline: "ListingPipeline", reviews: Path | None, share: float) -> "Auditor":
    """Open the review queue; if it can't be read, that is said before the work starts."""
    from ..serving.review.audit import Auditor
    from ..serving.review.store import ReviewStore

    auditor = Auditor(ReviewStore(reviews), share)
    auditor.promise(pipeline.version, pipeline.config.accept)
    return auditor


def _audited(
    pipeline: "ListingPipeline",
    catalog: "Catalog",
    rows: "list[tuple[int, Verdict]]",
    auditor: "Auditor",
) -> "list[tuple[int, Verdict]]":
    """Put some accepted listings into the review queue, or accept none if audits say so."""
    said, accept = dict(rows), pipeline.config.accept
    judged = [said[row] for row in catalog.rows]
    said |= zip(catalog.rows, auditor.audit(catalog.listings, judged, accept), strict=True)
    promise = auditor.promise(pipeline.version, accept)
    n_drawn = sum(verdict.audit for verdict in said.values())
    say(f"Warning: {promise.shift.what}" if promise.shift else promise.said)
    say(f"{n_drawn:,} listings to audit are in {auditor.store.path}.")
    return sorted(said.items())
