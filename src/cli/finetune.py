"""`shelfsure finetune`: a catalogue to a photo encoder of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import ConfigError
from ..core.tracking import LOCAL_STORE, OFF
from .messages import say_levels
from .options import (
    CatalogueFile,
    ConfigOption,
    Device,
    FileOptions,
    Mlflow,
    PhotoOptions,
    takes_options,
)

if TYPE_CHECKING:
    from rich.table import Table

    from ..finetuning.run import FinetuneResult

_MACHINE = "Machine"


@takes_options
def finetune(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the encoder to write.")],
    file: FileOptions,
    photos: PhotoOptions,
    config: ConfigOption = "starter",
    outside: Annotated[
        Path | None,
        typer.Option(help="Folder of photos that the catalogue doesn't sell: learned as a class."),
    ] = None,
    levels: Annotated[int | None, typer.Option(help="Category levels to learn.", min=1)] = None,
    epochs: Annotated[float | None, typer.Option(help="Times each photo is seen.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run of this --out.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the encoder in --out.")
    ] = False,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="Plan as many epochs as fit, up to --epochs.", rich_help_panel=_MACHINE),
    ] = None,
    devices: Annotated[
        int, typer.Option(help="Processes on each machine.", min=1, rich_help_panel=_MACHINE)
    ] = 1,
    nodes: Annotated[int, typer.Option(help="Machines.", min=1, rich_help_panel=_MACHINE)] = 1,
    spark: Annotated[
        str | None,
        typer.Option(
            metavar="MASTER",
            help="Start --nodes as tasks of this Spark cluster; all see photos and --out.",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    device: Device = "auto",
    mlflow: Mlflow = LOCAL_STORE,
) -> None:
    """Fine-tune a photo encoder on a labelled catalogue.

    Use it with: shelfsure train CATALOGUE --image-encoder OUT
    """
    from ..catalog.photo_listings import photos_in
    from ..core.tracking import log_run
    from ..embedding.run_options import RunOptions
    from ..finetuning.config import load_finetune_config
    from ..finetuning.fitting import Machine

    out = out.resolve()
    settings = load_finetune_config(config, levels=levels, epochs=epochs, seed=seed)
    catalog = file.catalog(catalogue, need_category=True)
    say_levels(catalog, levels)
    try:
        with _runner(spark) as run:
            result = run(
                catalog,
                out,
                settings,
                outside=photos_in(outside) if outside else (),
                options=RunOptions(device=device, limits=photos.limits(), progress=True),
                machine=Machine(devices, nodes, max_minutes),
                resume=resume,
                overwrite=overwrite,
            )
    except KeyboardInterrupt:
        typer.echo("\nStopped. The same command with --resume goes on from here.", err=True)
        raise typer.Exit(130) from None
    if result is None:
        return
    from rich.console import Console

    typer.echo(result.catalog.summary())
    Console().print(result_table(result.facts))
    typer.echo(f"The encoder is in {out}. Use it: shelfsure train ... --image-encoder {out}")
    if mlflow == OFF:
        return
    log_run(
        mlflow,
        experiment="shelfsure-finetune",
        name=out.name,
        parameters=settings.model_dump(mode="json") | {"catalogue": str(catalogue)},
        metrics={"seen": result.facts["n_seen"], "chosen": result.levels},
        files=out / "finetuned.json",
        curves=result.curves,
        data=catalogue,
    )


@contextmanager
def _runner(master: str | None) -> "Iterator[Callable[..., FinetuneResult | None]]":
    """Give what runs it: this process, or a Spark cluster's."""
    if master is None:
        from ..finetuning.run import finetune as run

        yield run
        return
    from ..spark.finetuning import finetune as run_on_spark
    from ..spark.session import SAIL, connect

    if master == SAIL:
        raise ConfigError(
            "--spark needs a cluster that starts processes, which Sail doesn't. On one machine, "
            "--devices starts several without Spark."
        )
    with connect(master):
        yield run_on_spark


def result_table(facts: Mapping[str, Any]) -> "Table":
    """Compare held-out photos before and after, as in the pipeline; facts: ``finetuned.json``."""
    from rich.table import Table

    chosen = str(facts["blend"])
    levels = range(1, len(facts["measured"][chosen]) + 1)
    n_held_out, n_seen = facts["n_held_out"], facts["n_seen"]
    title = f"{n_held_out:,} held-out photos; {n_seen:,} learned from"
    if "fold_encoders" in facts:
        title = f"{n_held_out:,} photos, each by an encoder that hasn't learned it"
    table = Table(title=title)
    table.add_column("fine-tuned share of the weights")
    for level in levels:
        table.add_column(f"level {level}: top-1", justify="right")
        table.add_column("macro-F1", justify="right")
    for share, measured in facts["measured"].items():
        name = "none (before)" if float(share) == 0 else f"{float(share):.0%}"
        cells = [f"{level[key]:.3f}" for level in measured for key in ("top1", "macro_f1")]
        table.add_row(name + (" (chosen)" if share == chosen else ""), *cells)
    return table
