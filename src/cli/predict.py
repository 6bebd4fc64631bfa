"""The command that judges a file of listings."""

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import CatalogError, OutputError
from .log_options import LogOptions
from .messages import say, say_notes, say_photo_problems, say_shift
from .options import (
    AuditOption,
    BundleFolder,
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    OnShiftOption,
    PhotoOptions,
    takes_options,
)
from .shares import share_of

if TYPE_CHECKING:
    from ..catalog.catalog_file import CatalogFile
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.verdict_file import JudgedRow
    from ..pipeline.verdict_parts import VerdictParts
    from ..serving.review.audit import Auditor

_LONG = "Long files"


@takes_options
def predict(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Verdicts: .csv, .jsonl or .parquet.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    log: LogOptions,
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
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a run that was stopped, from the parts beside --out.",
            rich_help_panel=_LONG,
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Share the file with other processes: 1/4 to 4/4, all with the same --out. "
            "Whoever ends last writes it.",
            rich_help_panel=_LONG,
        ),
    ] = None,
) -> None:
    """Judge listings; every row of the file gets its line, rejected ones with the reason.

    Rows are judged 500 at a time, and kept in OUT.parts until all are there. Strangers are looked
    for in windows of 10,000 rows; a drift holds from the window on in which it is found. CSV, JSON
    Lines and Parquet may be of any length; a spreadsheet or one array of JSON is read whole.
    """
    from ..pipeline.batch import check_out
    from ..pipeline.judged_file import join, judge_parts, require_first_rows, together
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.verdict_parts import Shard, VerdictParts, fingerprint

    check_out(out, inputs=(listings,))
    share = share_of(audit, "--audit") if audit else None
    own = Shard.parse(shard) if shard else Shard()
    rows = file.opened(listings)
    typer.echo(f"{listings}: columns {rows.columns}.", err=True)
    require_first_rows(rows, file.min_usable)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos, progress=False))
    pipeline = replace(pipeline, category_ids=file.category_ids())
    auditor = _auditor(pipeline, reviews, share) if share else None
    looks = {"duplicates": not no_duplicates, "quality": not no_quality}
    run = {"file": fingerprint(listings), "bundle": pipeline.version, **looks}
    parts = VerdictParts(out, {**run, **file.run_values(), **vars(photos)}, own)
    with _resumable(parts), log.opened() or nullcontext() as kept, parts.opened(resume=resume):
        n_parts = judge_parts(
            pipeline,
            rows,
            parts,
            **looks,
            min_fraction=file.min_usable,
            progress=True,
            on_judged=kept.add if kept else None,
        )
        say_notes(rows.notes)
        with parts.joining(n_parts) as complete:
            if not complete:
                there = f"{len(parts.there()):,} of {n_parts:,} parts are in {parts.folder}"
                written = f"another one has written {out}"
                say(f"Shard {own} is done: {there if parts.folder.exists() else written}.")
                return
            judged = together(parts.read(n_parts), pipeline, on_shift)
            if auditor:
                judged = _audited(pipeline, rows, judged, auditor)
            found = join(out, judged, file.min_usable, listings)
            parts.remove()
    if found.photo_problem:
        say_photo_problems(found.n_photo_problems, *found.photo_problem)
    if auditor:
        promise = auditor.promise(pipeline.version, pipeline.config.accept)
        say(f"Warning: {promise.shift.what}" if promise.shift else promise.said)
        say(f"{found.n_audited:,} listings to audit are in {auditor.store.path}.")
    say_shift(found.shift, on_shift)
    said = (f"{n:,} {decision}" for decision, n in found.decisions.most_common())
    say(f"{', '.join(said)}; in {out}.")


@contextmanager
def _resumable(parts: "VerdictParts") -> Iterator[None]:
    """Say how to go on where a run ends early with something done."""
    from ..pipeline.judged_file import WINDOW_ROWS
    from ..pipeline.verdict_parts import PART_ROWS

    try:
        yield
    except (KeyboardInterrupt, CatalogError, OutputError) as error:
        n_parts = len(parts.there())
        if isinstance(error, CatalogError) and n_parts * PART_ROWS <= WINDOW_ROWS:
            parts.remove()  # a wrong folder of photos, most likely
        elif n_parts:
            command = [arg for arg in sys.argv[1:] if arg != "--resume"]
            typer.echo(
                f"{n_parts:,} parts of {PART_ROWS} rows are kept in {parts.folder}. Go on with:\n"
                f"  {shlex.join(['shelfsure', *command, '--resume'])}",
                err=True,
            )
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(130) from None
        raise


def _auditor(pipeline: "ListingPipeline", reviews: Path | None, share: float) -> "Auditor":
    """Open the review queue; if it can't be read, that is said before the work starts."""
    from ..serving.review.audit import Auditor
    from ..serving.review.store import ReviewStore

    auditor = Auditor(ReviewStore(reviews), share)
    auditor.promise(pipeline.version, pipeline.config.accept)
    return auditor


def _audited(
    pipeline: "ListingPipeline",
    file: "CatalogFile",
    rows: "Iterable[JudgedRow]",
    auditor: "Auditor",
) -> "Iterator[JudgedRow]":
    """Put some accepted listings into the review queue, or accept none if audits say so."""
    from ..catalog.catalog import read_in_chunks
    from ..embedding.reading_ahead import batches
    from ..pipeline.verdict_parts import PART_ROWS

    chunks = read_in_chunks(file, PART_ROWS)
    for catalog, part in zip(chunks, batches(rows, PART_ROWS), strict=True):
        said = {row.row: row.verdict for row in part}
        judged = [said[row] for row in catalog.rows]
        audited = auditor.audit(catalog.listings, judged, pipeline.config.accept)
        said |= zip(catalog.rows, audited, strict=True)
        yield from (row.model_copy(update={"verdict": said[row.row]}) for row in part)
