"""Options of the verdict log, for commands that judge."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..monitoring.verdict_log import VerdictLog

_LOG = "What is kept"


@dataclass(frozen=True)
class LogOptions:
    """What is kept of what was judged, to be compared later."""

    log_verdicts: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps each verdict with its vectors, for `shelfsure monitor`; never "
            "a photo, nor a title unless --keep-titles.",
            rich_help_panel=_LOG,
        ),
    ] = None
    keep_days: Annotated[
        int, typer.Option(help="Remove older verdicts.", min=1, rich_help_panel=_LOG)
    ] = 90
    keep_bytes: Annotated[
        int, typer.Option(help="Remove the oldest beyond.", min=1_000_000, rich_help_panel=_LOG)
    ] = 2_000_000_000
    keep_titles: Annotated[
        bool,
        typer.Option("--keep-titles", help="Keep titles' text, too.", rich_help_panel=_LOG),
    ] = False

    def opened(self) -> "VerdictLog | None":
        """Open the log to write to; None if none is wanted."""
        if self.log_verdicts is None:
            return None
        from ..monitoring.log_folder import LogFolder
        from ..monitoring.verdict_log import VerdictLog

        folder = LogFolder.create(self.log_verdicts, self.keep_days, self.keep_bytes)
        return VerdictLog(folder, keep_titles=self.keep_titles)
