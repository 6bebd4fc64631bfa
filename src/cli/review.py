"""`shelfsure review`: look into the queue of listings to check, and take the answers out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .messages import print_table
from .queues import opened_queue

review_app = typer.Typer(no_args_is_help=True, help="Listings to check, and what was said of them.")

Store = Annotated[
    Path | None,
    typer.Option(
        help="The queue's SQLite file (default: in the user's data folder).",
        envvar="SHELFSURE_REVIEWS",
    ),
]

Bundle = Annotated[
    Path | None,
    typer.Option(help="Its categories may be answered, too (else those that verdicts name)."),
]


@review_app.command("list")
def review_list(
    store: Store = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 20,
) -> None:
    """List what waits, the most useful to answer first."""
    reviews = opened_queue(store)
    counts = reviews.counts()
    if counts.n_pending:
        rows = []
        for item in reviews.pending(limit):
            own, said = item.listing, item.verdict
            told = (said.decision, said.category, said.probability)
            rows.append((item.item_id, own.listing_id, *told, own.title))
        print_table(("item", "listing", "decision", "category", "probability", "title"), rows)
    typer.echo(
        f"{reviews.path}: {counts.n_pending:,} pending, {counts.n_answered:,} answered, "
        f"{counts.n_today:,} of them today{_disputed(counts.n_disputed)}."
    )


@review_app.command("export")
def review_export(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    store: Store = None,
    format: Annotated[
        Literal["catalogue", "label-studio", "argilla", "fiftyone"],
        typer.Option(help="The answers as a catalogue, or what waits as tasks for another tool."),
    ] = "catalogue",
    bundle: Bundle = None,
) -> None:
    """Write the answers as a catalogue for the next `shelfsure train`, or tasks for other tools."""
    if format != "catalogue":
        from ..serving.review.exchange import export_tasks

        n = export_tasks(opened_queue(store), format, out, _names(bundle))
        typer.echo(f"{n:,} listings to review are in {out}, for {format}; docs/review.md goes on.")
        return
    export = opened_queue(store).export(out)
    missing = f"; {export.n_photos_missing:,} photos were gone" if export.n_photos_missing else ""
    outside = f"; --outside {out / 'outside'} has photos of what isn't sold"
    outside = outside if export.n_outside else ""
    typer.echo(
        f"{export.n_labelled:,} labelled listings and {export.n_outside:,} outside photos are in "
        f"{out}{missing}{_disputed(export.n_disputed)}.\nTrain on {out / 'catalogue.csv'}{outside}."
    )


@review_app.command("import")
def review_import(
    file: Annotated[Path, typer.Argument(help="JSON that the tool exported.")],
    format: Annotated[
        Literal["label-studio", "argilla", "fiftyone"], typer.Option(help="The tool.")
    ],
    store: Store = None,
    bundle: Bundle = None,
    who: Annotated[
        str | None, typer.Option(help="Gave the answers (default: whom the file names).")
    ] = None,
) -> None:
    """Take another tool's answers into the queue; exit code 1 if some couldn't be taken."""
    from ..serving.review.exchange import import_answers

    reviews = opened_queue(store)
    found = import_answers(reviews, format, file, names=_names(bundle), who=who)
    for where, reason in found.problems:
        typer.echo(f"{file}, {where}: {reason}", err=True)
    typer.echo(
        f"{found.n:,} answers taken, {found.n_known:,} had been before, "
        f"{len(found.problems):,} couldn't be taken{_disputed(reviews.counts().n_disputed)}."
    )
    if found.problems:
        raise typer.Exit(1)


def _names(bundle: Path | None) -> list[str]:
    """List a bundle's categories, if there is one."""
    if bundle is None:
        return []
    from ..pipeline.persistence import load_names

    trained, by_name_only = load_names(bundle)
    return [*trained, *by_name_only]


def _disputed(n: int) -> str:
    return f"; {n:,} on which reviewers disagree teach nothing until one gives in" if n else ""
