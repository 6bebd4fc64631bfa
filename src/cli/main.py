"""The command line, put together of a file a command group; what is heavy is imported inside."""

import sys

import typer

from ..core.errors import ShelfsureError, TrackingError
from .audit import audit
from .backbones import backbones
from .catalogue import classify, duplicates, taxonomy_app
from .data import cache_app, sample, split
from .doctor import doctor
from .evaluate import evaluate
from .explore import explore
from .export import export
from .finetune import finetune
from .index import index_app
from .log import log_app
from .monitor import monitor
from .predict import predict
from .quickstart import quickstart
from .recalibrate import recalibrate
from .registry import registry_app
from .review import review_app
from .serve import serve
from .spark import spark_app
from .train import train

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
    evaluate,
    recalibrate,
    monitor,
    finetune,
    backbones,
    split,
    sample,
    duplicates,
    classify,
    serve,
    export,
):
    app.command()(command)
groups = {"index": index_app, "taxonomy": taxonomy_app, "registry": registry_app}
groups |= {"log": log_app, "spark": spark_app, "review": review_app, "cache": cache_app}
for name, group in groups.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run a command; an expected error is one clear message, not a stack trace."""
    try:
        app(prog_name="shelfsure")
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
