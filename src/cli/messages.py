"""What several commands print."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
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
        say(
            f"Warning: nothing will be accepted. {rule['n_groups']:,} groups of listings couldn't "
            f"show a precision of {promised} with {promise.confidence:.1%} confidence at any "
            f"cut-off: it takes {rule['n_groups_needed']:,} of them accepted without a mistake, or "
            "more with some. Add listings of more groups, or lower accept.target_precision in the "
            "configuration."
        )
    else:
        say(
            f"Expected: {accepted:.0%} accepted without a look, at least {promised} of them right "
            f"({promise.confidence:.1%} confidence, shown on {rule['n_groups']:,} groups)."
        )
