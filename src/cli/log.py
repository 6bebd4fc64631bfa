"""`shelfsure log`: what is kept of what was judged."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import say

log_app = typer.Typer(no_args_is_help=True, help="Verdicts that --log-verdicts kept.")


@log_app.callback()
def log() -> None:
    """Verdicts that --log-verdicts kept."""


@log_app.command("forget")
def log_forget(
    folder: Annotated[Path, typer.Argument(help="The folder given to --log-verdicts.")],
    ids: Annotated[list[str], typer.Argument(help="Listing ids.")],
) -> None:
    """Remove all that is kept of listings, by their ids; a server may go on meanwhile."""
    from ..monitoring.log_folder import LogFolder

    say(f"{LogFolder.open(folder).forget(set(ids)):,} verdicts are forgotten.")
