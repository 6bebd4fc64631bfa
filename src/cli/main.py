"""The command line, put together of a file a command group; what is heavy is imported inside."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import ShelfsureError, TrackingError
from ..pipeline.manifest import VERIFY_KEY
from .ab import ab_app
from .audit import audit
from .backbones import backbones
from .catalogue import classify, duplicates, taxonomy_app
from .data import cache_app, sample, split
from .digest import digest
from .doctor import doctor
from .evaluate import evaluate
from .explain import explain
from .explore import explore
from .export import export
from .finetune import finetune
from .index import index_app
from .log import log_app
from .monitor import monitor
from .photos import photos_app
from .predict import predict
from .quickstart import quickstart
from .recalibrate import recalibrate
from .registry import registry_app
from .retrain import retrain
from .review import review_app
from .robustness import robustness
from .serve import serve
from .sign import sign
from .spark import spark_app
from .train import train

STOPPED = 130
"""Exit code after Ctrl-C."""
app = typer.Typer(
    name="shelfsure",
    help="Be sure what goes on the shelf: photo and title in, a calibrated verdict out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    quickstart,
    doctor,
    explore,
    audit,
    train,
    predict,
    explain,
    digest,
    evaluate,
    robustness,
    recalibrate,
    monitor,
    retrain,
    finetune,
    backbones,
    split,
    sample,
    duplicates,
    classify,
    serve,
    export,
    sign,
):
    app.command()(command)
groups = {"index": index_app, "taxonomy": taxonomy_app, "registry": registry_app}
groups |= {
    "ab": ab_app,
    "log": log_app,
    "spark": spark_app,
    "review": review_app,
    "cache": cache_app,
    "photos": photos_app,
}
for name, group in groups.items():
    app.add_typer(group, name=name)


@app.callback()
def for_all_commands(
    verify_key: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of an Ed25519 public key: use no bundle that isn't signed by it "
            "(`shelfsure sign`). Or SHELFSURE_VERIFY_KEY in the environment."
        ),
    ] = None,
) -> None:
    if verify_key is not None:
        os.environ[VERIFY_KEY] = str(verify_key.resolve())


def main() -> None:
    """Run a command; an expected error is one clear message, not a stack trace."""
    try:
        app(prog_name="shelfsure")
    except SystemExit as stop:
        if stop.code == STOPPED:
            typer.echo("Stopped.", err=True)
        raise
    except TrackingError as error:
        typer.echo(f"Warning: {error}", err=True)
        sys.exit(3)
    except ShelfsureError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        raise
    except OSError as error:  # whatever it is, the place is the user's
        place = error.filename or "A file that this needs"
        typer.echo(
            f"Error: {place} must be readable and writable, but: {error.strerror or error}. Check "
            "the path, who may use it, and the room on its disk.",
            err=True,
        )
        sys.exit(1)
