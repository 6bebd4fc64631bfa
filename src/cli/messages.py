"""What several commands print."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.verdict import Shift


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table whose cells show as they are, square brackets included; None is empty."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(table)


def say(text: str, rejected: Path | None = None) -> None:
    """Print a line, with the place of the reasons if rows were rejected."""
    typer.echo(f"{text}; reasons in {rejected}" if rejected and " 0 rejected" not in text else text)


def say_reading(catalog: "Catalog") -> None:
    """Print to stderr which columns were taken for what, and what else was found out."""
    typer.echo(f"{catalog.source}: columns {catalog.columns}.", err=True)
    say_notes(catalog.notes)
    if catalog.photo_problems:
        first = next(iter(catalog.photo_problems.items()))
        say_photo_problems(len(catalog.photo_problems), *first)


def say_notes(notes: Iterable[str]) -> None:
    """Print to stderr what was found out of a file."""
    for note in notes:
        typer.echo(f"Note: {note}.", err=True)


def say_photo_problems(n: int, row: int, why: str) -> None:
    """Print to stderr how many listings go by their title, and why the first one does."""
    typer.echo(
        f"Note: {n:,} listings go by their title, as their photo can't be had (row {row}: {why}).",
        err=True,
    )


def say_levels(catalog: "Catalog", levels: int | None) -> None:
    """Print to stderr that cutting categories to so many levels changes nothing, if so."""
    from ..catalog.notes import levels_warning

    warning = levels and levels_warning((one.category for one in catalog.listings), levels)
    if warning:
        typer.echo(f"Warning: {warning}", err=True)


def say_shift(shift: "Shift | None", on_shift: str) -> None:
    """Print what has drifted, if anything has, and what that means."""
    if shift is not None:
        say(f"Warning: {shift.warning(held=on_shift == 'review')}")


def say_expected(pipeline: "ListingPipeline") -> None:
    """Print how much will be accepted of listings like those that calibrated, or why nothing."""
    facts, promise = pipeline.facts, pipeline.config.accept
    accepted = facts["forecast"].get(promise.holds_for, facts["forecast"]["new_groups"])["accepted"]
    rule = max(facts["evidence"], key=lambda each: len(each["modalities"]))["accept"]
    promised = f"{promise.target_precision:.1%}"
    if not accepted:
        showable = rule.get("showable")
        could = f"{showable:.0%} could be promised. " if showable else ""
        say(
            f"Warning: nothing will be accepted. {rule['n_groups']:,} groups of listings couldn't "
            f"show a precision of {promised} with {promise.confidence:.1%} confidence at any "
            f"cut-off: it takes {rule['n_groups_needed']:,} of them accepted without a mistake, or "
            f"more with some. {could}Add listings of more groups, or lower accept.target_precision "
            "in the configuration."
        )
    else:
        say(
            f"Expected: {accepted:.0%} accepted without a look, at least {promised} of them right "
            f"({promise.confidence:.1%} confidence, shown on {rule['n_groups']:,} groups)."
        )
