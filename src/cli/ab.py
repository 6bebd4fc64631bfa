"""`shelfsure ab`: is the challenger better than the champion?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .messages import print_table, say
from .queues import opened_queue

if TYPE_CHECKING:
    from ..monitoring.experiment import Contender
    from ..serving.review.audit import AuditedPromise
    from ..serving.review.store import ReviewStore

WORSE, UNDECIDED = 4, 5
ab_app = typer.Typer(
    no_args_is_help=True, help="Champion and challenger on live requests (serve --challenger)."
)


@ab_app.callback()
def ab() -> None:
    """Champion and challenger on live requests."""


@ab_app.command("report")
def ab_report(
    folder: Annotated[Path, typer.Argument(help="The folder given to --log-verdicts.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    reviews: Annotated[
        Path | None, typer.Option(help="The review queue (default: the user's).")
    ] = None,
    newest: Annotated[int, typer.Option(help="Verdicts looked at, the newest.", min=2)] = 200_000,
) -> None:
    """Compare what both said of the same listings, and say whether the challenger may take over.

    Exit code 0: it is better or as good. 4: it is worse, breaks its promise, or was switched off.
    5: undecided yet. Intervals hold at every look: ask as often as you like, and stop when you see
    enough.
    """
    from ..core.files import require_free_folder
    from ..monitoring.ab_report import AB_REPORT, summary, table, write_report
    from ..monitoring.comparison import compare
    from ..monitoring.experiment import Experiment
    from ..monitoring.log_folder import LogFolder
    from ..monitoring.pairs import COLUMNS, pairs_in
    from ..serving.review.comparison_answers import reviewed

    require_free_folder(out, AB_REPORT, replace=True)
    log = LogFolder.open(folder)
    experiment = Experiment.read(folder)
    found = pairs_in(log.newest(newest, COLUMNS), experiment)
    store = opened_queue(reviews, needed=False)
    comparison = compare(found, reviewed(store))
    sides = {"champion": experiment.champion, "challenger": experiment.challenger}
    promises = {name: vars(_promise(store, side)) for name, side in sides.items()}
    said = summary(experiment, found, comparison, promises)
    page = write_report(out, said)
    print_table(("", "listings", "found", "95 % interval, at every look"), table(said))
    say(said["said"])
    for command in said["commands"].values():
        say(f"  {command}")
    say(f"The report is {page}.")
    if said["outcome"] != "better":
        raise typer.Exit(WORSE if said["outcome"] == "worse" else UNDECIDED)


def _promise(store: "ReviewStore", side: "Contender") -> "AuditedPromise":
    from ..core.config import AcceptConfig
    from ..serving.review.audit import audited_promise

    accept = AcceptConfig(target_precision=side.target_precision, confidence=side.confidence)
    return audited_promise(store, side.version, accept)
