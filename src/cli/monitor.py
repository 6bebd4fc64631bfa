"""The command that says whether a bundle keeps its promise, by what audits found."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import say
from .options import BundleFolder

BROKEN = 4


def monitor(
    bundle: BundleFolder,
    reviews: Annotated[
        Path | None, typer.Option(help="The review queue with the audits (default: the user's).")
    ] = None,
) -> None:
    """Say whether accepted listings are right as promised, by audits (exit code 4: they aren't).

    Audits are accepted listings that `predict --audit` and `serve --audit` put into the review
    queue. The bounds hold at every moment, however often this is asked.
    """
    from ..pipeline.persistence import load_settings
    from ..serving.review.audit import audited_promise
    from ..serving.review.store import ReviewStore

    config, version = load_settings(bundle)
    promise = audited_promise(ReviewStore(reviews), version, config.accept)
    say(f"Bundle {version}: {promise.said}")
    if promise.broken:
        say("The promise is broken. Calibrate anew (`shelfsure recalibrate`) or train anew.")
        raise typer.Exit(BROKEN)
