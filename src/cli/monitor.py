"""The command that says whether all is as it was: the promise by audits, drift by the log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import say
from .options import BundleFolder
from .queues import opened_queue

if TYPE_CHECKING:
    from ..core.config import Config

BROKEN, DRIFT = 4, 5
_ALERTS = "Alerts"


def monitor(
    bundle: BundleFolder,
    log: Annotated[
        Path | None, typer.Argument(help="Folder given to --log-verdicts: look for a drift, too.")
    ] = None,
    reviews: Annotated[
        Path | None, typer.Option(help="The review queue with the audits (default: the user's).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report on a log.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Catalogue that has logged listings' photos, to show them.")
    ] = None,
    newest: Annotated[
        int, typer.Option(help="Logged listings looked at, the newest.", min=20)
    ] = 5000,
    alert_url: Annotated[
        str | None,
        typer.Option(
            help="Send what is wrong there, signed with SHELFSURE_ALERT_KEY.",
            rich_help_panel=_ALERTS,
        ),
    ] = None,
    alert_command: Annotated[
        str | None,
        typer.Option(
            help="Run it if something is wrong; it reads that as JSON.", rich_help_panel=_ALERTS
        ),
    ] = None,
    alert_key: Annotated[
        str | None, typer.Option(envvar="SHELFSURE_ALERT_KEY", hidden=True)
    ] = None,
) -> None:
    """Say whether accepted listings are right as promised, by audits (exit code 4: they aren't).

    Audits are accepted listings that `predict --audit` and `serve --audit` put into the review
    queue. The bounds hold at every moment, however often this is asked.

    With a log, say whether what came in since has drifted away from the training listings
    (exit code 5: it has, and the promise isn't broken).
    """
    from ..core.errors import ConfigError
    from ..monitoring.alerts import check_url
    from ..pipeline.persistence import load_settings

    if log is None and any(each is not None for each in (out, photos, alert_url, alert_command)):
        raise ConfigError("--out, --photos and alerts are about a log: name its folder, too.")
    if log is not None and out is None:
        raise ConfigError("A log's report needs a place. Pass --out report.")
    if alert_url is not None:
        check_url(alert_url, alert_key)
    config, version = load_settings(bundle)
    promise = _promise(reviews, version, config)
    say(f"Bundle {version}: {promise['said']}")
    if promise["broken"]:
        say("The promise is broken. Calibrate anew (`shelfsure recalibrate`) or train anew.")
    drifted = False
    if log is not None and out is not None:
        said = _report(bundle, log, out, photos, newest, promise)
        drifted = said["drift"]["found"]
        if drifted or promise["broken"]:
            _alert(said, alert_url, alert_command, alert_key)
    if promise["broken"]:
        raise typer.Exit(BROKEN)
    if drifted:
        raise typer.Exit(DRIFT)


def _promise(reviews: Path | None, version: str, config: "Config") -> dict[str, Any]:
    from ..serving.review.audit import audited_promise

    promise = audited_promise(opened_queue(reviews, needed=False), version, config.accept)
    return {"broken": promise.broken, "said": promise.said}


def _report(
    bundle: Path, log: Path, out: Path, photos: Path | None, newest: int, promise: dict[str, Any]
) -> dict[str, Any]:
    """Compare the log with the bundle, and write what was found."""
    from ..catalog.catalog import read_catalog
    from ..core.files import require_free_folder
    from ..monitoring.drift import find_drift
    from ..monitoring.log_folder import LogFolder
    from ..monitoring.logged import logged_listings
    from ..monitoring.reference import load_reference
    from ..monitoring.report import MONITORING, summary, write_report

    require_free_folder(out, MONITORING, replace=True)
    rows = LogFolder.open(log).newest(newest)
    known = read_catalog(photos).listings if photos else ()
    reference = load_reference(bundle)
    logged, n_of_others = logged_listings(rows, reference.version)
    drift = find_drift(reference, logged)
    said = summary(drift, reference, promise, n_of_others)
    page = write_report(out, said, {each.listing_id: each.image for each in known})
    if not said["n"]:
        say(f"Warning: {log} has no verdict of this bundle ({n_of_others:,} of others).")
    elif drift.cause:
        say(f"Drift: {drift.cause.name}. {drift.cause.said}")
    else:
        say(f"No drift in {said['n']:,} logged listings.")
    say(f"The report is {page}.")
    return said


def _alert(said: dict[str, Any], url: str | None, command: str | None, key: str | None) -> None:
    """Tell whoever wants to know; if that fails it is a warning, and the report is there."""
    from ..monitoring.alerts import AlertError, alert_of, run, send

    alert = alert_of(said)
    try:
        if command is not None:
            run(command, alert)
    except AlertError as error:
        typer.echo(f"Warning: {error} The report is written.", err=True)
    try:
        if url is not None and key is not None:
            send(url, alert, key)
    except AlertError as error:
        typer.echo(f"Warning: {error} The report is written.", err=True)
