"""`shelfsure finetune`: a catalogue to a photo encoder of its own."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.tracking import LOCAL_STORE, OFF
from .options import Reading, reads_listings

_MACHINE = "Machine"


@reads_listings
def finetune(
    catalogue: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet.")],
    out: Annotated[Path, typer.Option(help="Folder of the encoder to write.")],
    reading: Reading,
    config: Annotated[str, typer.Option(help="starter, full, or a YAML file.")] = "starter",
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
    mlflow: Annotated[str, typer.Option(help="MLflow tracking URI, or `none`.")] = LOCAL_STORE,
) -> None:
    """Fine-tune a photo encoder on a labelled catalogue.

    Use it with: shelfsure train CATALOGUE --image-encoder OUT
    """
    from ..catalog.catalog import photos_in
    from ..core.tracking import log_run
    from ..finetuning.config import load_finetune_config
    from ..finetuning.fitting import Machine
    from ..finetuning.run import finetune as run
    from .finetune_report import result_table

    out = out.resolve()
    settings = load_finetune_config(config, levels=levels, epochs=epochs, seed=seed)
    catalog = reading.catalog(catalogue, need_category=True)
    try:
        result = run(
            catalog,
            out,
            settings,
            outside=photos_in(outside) if outside else (),
            limits=reading.limits(),
            machine=Machine(reading.device, devices, nodes, max_minutes, progress=True),
            resume=resume,
            overwrite=overwrite,
        )
    except (KeyboardInterrupt, SystemExit):  # Lightning ends a stopped run by leaving
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
