"""`shelfsure review`: look into the queue of listings to check, and take the answers out."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import print_table

review_app = typer.Typer(no_args_is_help=True, help="Listings to check, and what was said of them.")

Store = Annotated[
    Path | None,
    typer.Option(
        help="The queue's SQLite file (default: in the user's data folder).",
        envvar="SHELFSURE_REVIEWS",
    ),
]


@review_app.command("list")
def review_list(
    store: Store = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 20,
) -> None:
    """List what waits, the most useful to answer first."""
    from ..serving.review.store import ReviewStore

    reviews = ReviewStore(store)
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
    out: Annotated[Path, typer.Argument(help="A new folder.")], store: Store = None
) -> None:
    """Write the answers as a catalogue for the next `shelfsure train`."""
    from ..serving.review.store import ReviewStore

    export = ReviewStore(store).export(out)
    missing = f"; {export.n_photos_missing:,} photos were gone" if export.n_photos_missing else ""
    outside = f"; --outside {out / 'outside'} has photos of what isn't sold"
    outside = outside if export.n_outside else ""
    typer.echo(
        f"{export.n_labelled:,} labelled listings and {export.n_outside:,} outside photos are in "
        f"{out}{missing}{_disputed(export.n_disputed)}.\nTrain on {out / 'catalogue.csv'}{outside}."
    )


def _disputed(n: int) -> str:
    return f"; {n:,} on which reviewers disagree teach nothing until one gives in" if n else ""
