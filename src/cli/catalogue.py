"""Commands about the catalogue as a whole: its duplicates, and categories by name."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import ConfigError
from .messages import print_table
from .options import (
    BundleFolder,
    CatalogueFile,
    ConfigOption,
    Device,
    EncoderOptions,
    FileOptions,
    PhotoOptions,
    RuntimeOption,
    embed_one,
    load_encoders,
    takes_options,
)

taxonomy_app = typer.Typer(no_args_is_help=True, help="The categories that a bundle knows by name.")


@takes_options
def duplicates(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of pairs, groups, merge plan and report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    against: Annotated[
        Path | None, typer.Option(help="Compare with this index instead of within the file.")
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit the cut-off on edited copies of these photos.")
    ] = False,
    precision: Annotated[
        float,
        typer.Option(
            help="With --fit: share of the pairs found that shall be right.", min=0.01, max=1.0
        ),
    ] = 0.99,
    config: ConfigOption = "starter",
) -> None:
    """Find listings that are the same thing twice, and variants that only look like it."""
    from ..core.files import atomic_folder, require_free_folder
    from ..retrieval.duplicates.find import find_duplicates
    from ..retrieval.duplicates.report import DUPLICATES, write_duplicates

    require_free_folder(out, DUPLICATES, replace=True, inputs=(catalogue,))
    result = find_duplicates(
        file.catalog(catalogue, need_category=False),
        against=against,
        embedder=load_encoders(config, encoders.run_options(photos)),
        fit_precision=precision if fit else None,
    )
    file.require_usable(result.catalog)
    with atomic_folder(out, DUPLICATES, replace=True) as staging:
        write_duplicates(result, staging)
        result.catalog.write_rejected(staging / "rejected.csv")
    counts: Counter[str] = Counter(same_photo=0, same_product=0, variant=0)
    counts.update(pair.verdict for pair in result.pairs)
    found = ", ".join(f"{n:,} {verdict}" for verdict, n in counts.items())
    typer.echo(f"{result.catalog.summary()}\nCandidates: {result.search}.")
    if result.coverage:
        typer.echo(f"{result.coverage}.")
    typer.echo(f"Pairs: {found}; {len(result.groups):,} groups. See {out / 'report.html'}.")


@takes_options
def classify(
    photos: PhotoOptions,
    encoders: EncoderOptions,
    photo: Annotated[Path | None, typer.Argument(help="The photo; or give a --title.")] = None,
    title: Annotated[str | None, typer.Option(help="The title.")] = None,
    labels: Annotated[str | None, typer.Option(help="Categories, separated by commas.")] = None,
    labels_file: Annotated[
        Path | None,
        typer.Option(help="Categories, one a line; a tab and a description may follow."),
    ] = None,
    config: ConfigOption = "starter",
) -> None:
    """Sort a photo or title into categories that are known by name only (zero-shot)."""
    import numpy as np

    from ..core.config import load_config
    from ..retrieval.zero_shot.classifier import ZeroShot
    from ..retrieval.zero_shot.labels import read_labels
    from ..retrieval.zero_shot.load_space import load_space, space_embedder

    names, descriptions = read_labels(labels, labels_file)
    embedder = load_encoders(config, encoders.run_options(photos, progress=False))
    space = load_space(load_config(config).retrieval.image_text_space, embedder)
    if space is None:
        raise ConfigError("The photo encoder knows no class names. Use --config starter.")
    seen, read = embed_one(photo, title, space_embedder(space, embedder) or embedder)
    zero_shot = ZeroShot.from_names(names, descriptions, space)
    probabilities = zero_shot.classify(
        space.to_text_space(np.asarray(seen.features)), np.asarray(read.features)
    )[0]
    order = probabilities.argsort()[::-1]
    print_table(("probability", "category"), [(f"{probabilities[i]:.3f}", names[i]) for i in order])


@taxonomy_app.command("add")
def taxonomy_add(
    bundle: BundleFolder,
    categories: Annotated[list[str], typer.Argument(help='"Garden > Hammocks", one or more.')],
    device: Device = "auto",
    runtime: RuntimeOption = "auto",
) -> None:
    """Let a bundle know categories by name alone; a listing that fits one goes to review."""
    from ..embedding.run_options import RunOptions
    from ..pipeline.pipeline import ListingPipeline

    options = RunOptions(device=device, runtime=runtime)
    version = ListingPipeline.add_categories(bundle, categories, options)
    typer.echo(f"{', '.join(categories)} added; the bundle is now {version}.")


@taxonomy_app.command("list")
def taxonomy_list(bundle: BundleFolder) -> None:
    """List a bundle's categories, and which are known by name only."""
    from ..pipeline.persistence import load_names

    trained, by_name_only = load_names(bundle)
    for line in (*trained, *(f"{name} (by name only)" for name in by_name_only)):
        typer.echo(line)
