"""`shelfsure backbones`: which photo encoder suits this catalogue, frozen and fine-tuned."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import ConfigError
from ..core.tracking import LOCAL_STORE, OFF
from .options import CatalogueFile, EncoderOptions, FileOptions, Mlflow, PhotoOptions, takes_options

DEFAULT_BACKBONES = "starter,light-cnn,resnet50.a1_in1k,tf_efficientnetv2_s.in21k_ft_in1k"


@takes_options
def backbones(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the comparison; an earlier one goes on.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    backbones: Annotated[
        str,
        typer.Option(help="starter, light-cnn, local-dir:FOLDER, timm names, random:NAME."),
    ] = DEFAULT_BACKBONES,
    seeds: Annotated[str, typer.Option(help="Of the fine-tuning.")] = "0,1,2",
    levels: Annotated[int, typer.Option(help="Category levels to tell apart.", min=1)] = 1,
    test: Annotated[
        Path | None,
        typer.Option(help="Listings to measure on (default: a quarter of CATALOGUE)."),
    ] = None,
    config: Annotated[
        str, typer.Option(help="The recipe: starter, full, or a YAML file, as for `finetune`.")
    ] = "starter",
    max_minutes: Annotated[
        float | None, typer.Option(help="Of each fine-tuning: plan as many epochs as fit.", min=0)
    ] = None,
    only_frozen: Annotated[
        bool | None, typer.Option("--frozen/--finetuned", help="One arm alone; default: both.")
    ] = None,
    mlflow: Mlflow = LOCAL_STORE,
) -> None:
    """Compare photo backbones on a labelled catalogue, over seeds."""
    names = [name.strip() for name in backbones.split(",") if name.strip()]
    chosen_seeds = _seeds(seeds)
    if not names:
        raise ConfigError("--backbones must name at least one, but is empty.")

    from rich.console import Console

    from ..core.errors import TrainingError
    from ..core.extras import require_extra
    from ..core.files import require_free_folder
    from ..finetuning.backbone_comparison.candidates import find_candidates
    from ..finetuning.backbone_comparison.dataset import gather
    from ..finetuning.backbone_comparison.experiment import COMPARISON, compare_backbones
    from ..finetuning.backbone_comparison.measure import embed_photos
    from ..finetuning.backbone_comparison.mlflow_log import log_comparison
    from ..finetuning.backbone_comparison.records import ARMS
    from ..finetuning.backbone_comparison.report import PAGE, result_table
    from ..finetuning.backbone_comparison.trials import Settings
    from ..finetuning.config import load_finetune_config
    from ..vision.encoder import PhotoEncoder

    if not only_frozen:
        require_extra("finetune", "Fine-tuning")
    out = out.resolve()
    require_free_folder(out, COMPARISON, replace=True, inputs=(catalogue, test))
    recipe = load_finetune_config(config)
    recipe = recipe.model_copy(update={"levels": max(levels, recipe.levels)})
    options = encoders.run_options(photos).resolved(recipe.precision)
    candidates, skipped = find_candidates(names)
    for name, why in skipped.items():
        typer.echo(f"Skipping {name}: {why}", err=True)
    read = file.catalog(catalogue, need_category=True)
    unseen = file.catalog(test, need_category=True) if test else None
    looking = PhotoEncoder.load(crop_mode="border", device=options.device, runtime=options.runtime)
    material, kept, kept_test = gather(
        read,
        unseen,
        levels=levels,
        min_examples=recipe.min_examples,
        embed=lambda listings: embed_photos(looking, listings, options),
    )
    file.require_usable(kept)
    out.mkdir(parents=True, exist_ok=True)
    arms = ARMS if only_frozen is None else ARMS[:1] if only_frozen else ARMS[1:]
    settings = Settings(recipe, chosen_seeds, arms, max_minutes)
    try:
        comparison = compare_backbones(
            candidates, material, out, settings, options, skipped=skipped, names=names
        )
    except KeyboardInterrupt:
        typer.echo(
            f"\nStopped. What is done is in {out / PAGE}; the same command goes on from there.",
            err=True,
        )
        raise typer.Exit(130) from None
    kept.write_rejected(out / "rejected.csv")
    typer.echo(kept.summary())
    if kept_test is not None:
        kept_test.write_rejected(out / "rejected-test.csv")
        typer.echo(f"Test: {kept_test.summary()}")
    Console().print(result_table(comparison))
    for trial, why in comparison.failed.items():
        typer.echo(f"{trial} failed. {why}", err=True)
    typer.echo(f"{out / PAGE} says more.")
    if not comparison.results:
        raise TrainingError("At least one run must end with a result, but none did; see above.")
    if mlflow != OFF:
        log_comparison(mlflow, comparison, out, catalogue)


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0:
        raise ConfigError(
            f"--seeds must be whole numbers from 0 on, with commas, but is {text!r}. "
            "Pass --seeds 0,1,2."
        )
    return seeds
