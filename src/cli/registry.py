"""`shelfsure registry`: which bundle is the champion, and who may take its place."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.tracking import LOCAL_STORE
from .messages import print_table
from .options import (
    BundleFolder,
    EncoderOptions,
    FileOptions,
    Overwrite,
    PhotoOptions,
    takes_options,
)

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..pipeline.pipeline import ListingPipeline

registry_app = typer.Typer(
    no_args_is_help=True, help="Bundles in the MLflow model registry: champion and challengers."
)

Store = Annotated[str, typer.Option(help="MLflow tracking URI.", envvar="MLFLOW_TRACKING_URI")]
NOT_PROMOTED = 4
"""Exit code of a challenger that stays one."""


@registry_app.command("promote")
@takes_options
def registry_promote(
    bundle: BundleFolder,
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    name: Annotated[
        str | None, typer.Option(help="Name in the registry (default: the folder's).")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Labelled listings that neither champion nor challenger has seen."),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also refuse one that breaks its promise in bad light, blur, typos and the like, "
            "where the champion keeps it.",
        ),
    ] = False,
    mlflow: Store = LOCAL_STORE,
) -> None:
    """Register a bundle; it becomes champion unless it may be worse than the champion (exit 4)."""
    from ..pipeline.pipeline import ListingPipeline

    bundle = bundle.resolve()
    catalog = file.catalog(against, need_category=True) if against else None
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    promote_and_say(mlflow, name or bundle.name, bundle, pipeline, catalog, robustness=robustness)


@registry_app.command("list")
def registry_list(mlflow: Store = LOCAL_STORE) -> None:
    """List registered bundles, and which of them is champion or challenger."""
    from ..evaluation.registry import registered

    versions = registered(mlflow)
    if not versions:
        typer.echo("No bundle is registered yet. Register one with `shelfsure registry promote`.")
        return
    print_table(
        ("name", "version", "is", "bundle", "compared with the champion of its day"),
        [(v.name, v.version, ", ".join(v.aliases), v.bundle_version, v.compared) for v in versions],
    )


@registry_app.command("pull")
def registry_pull(
    name: Annotated[str, typer.Argument(help="Name in the registry.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    alias: Annotated[str, typer.Option(help="champion, challenger or your own.")] = "champion",
    overwrite: Overwrite = False,
    mlflow: Store = LOCAL_STORE,
) -> None:
    """Fetch a registered bundle and verify it."""
    from ..evaluation.registry import pull

    bundle = pull(mlflow, name, out.resolve(), alias=alias, overwrite=overwrite)
    typer.echo(f"Bundle {bundle.version}, the {alias} of {name}, is in {out}.")


@registry_app.command("rollback")
def registry_rollback(
    name: Annotated[str, typer.Argument(help="Name in the registry.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the bundle served: put the champion of before there, too."),
    ] = None,
    mlflow: Store = LOCAL_STORE,
) -> None:
    """Make the champion of before champion again; with --out a running server takes it up."""
    from ..evaluation.registry import pull, rollback

    left, now = rollback(mlflow, name)
    typer.echo(f"Version {now} of {name} is the champion again, in place of version {left}.")
    if out is not None:
        bundle = pull(mlflow, name, out.resolve(), overwrite=True)
        typer.echo(f"Bundle {bundle.version} is in {out}.")


def promote_and_say(
    uri: str,
    name: str,
    bundle: Path,
    pipeline: "ListingPipeline",
    against: "Catalog | None",
    run_id: str = "",
    *,
    robustness: bool = False,
) -> None:
    """Promote, say what became of it, and end with `NOT_PROMOTED` if nothing did."""
    from ..evaluation.registry import promote

    result = promote(
        uri,
        name,
        bundle,
        challenger=pipeline,
        against=against,
        run_id=run_id,
        robustness=robustness,
    )
    version = f"Version {result.version} of {name}"
    if result.comparison is None:
        typer.echo(f"{version} is the champion: it is the first.")
    elif result.promoted:
        typer.echo(f"{version} is the champion now: {result.comparison}.")
    elif result.newly_broken:
        typer.echo(
            f"{version} stays challenger, because it breaks its promise where the champion keeps "
            f"it: {', '.join(result.newly_broken)}. See `shelfsure robustness`."
        )
        raise typer.Exit(NOT_PROMOTED)
    else:
        typer.echo(
            f"{version} stays challenger, because it may be worse: {result.comparison}. "
            "Compare on more listings, or train better."
        )
        raise typer.Exit(NOT_PROMOTED)
