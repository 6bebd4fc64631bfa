"""Commands about the catalogue as a whole: its duplicates, and categories by name."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import ConfigError
from .encoders import ConfigOption, embed_one, embedder_of
from .options import Reading, reads_listings

taxonomy_app = typer.Typer(no_args_is_help=True, help="The categories that a bundle knows by name.")

CatalogueFile = Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet.")]


@reads_listings
def duplicates(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of pairs, groups, merge plan and report.")],
    reading: Reading,
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
    from ..retrieval.duplicates.find import find_duplicates
    from ..retrieval.duplicates.report import write_duplicates

    result = find_duplicates(
        reading.catalog(catalogue, need_category=False),
        against=against,
        embedder=embedder_of(reading, config),
        fit_precision=precision if fit else None,
        progress=True,
    )
    page = write_duplicates(result, out)
    result.catalog.write_rejected(out / "rejected.csv")
    counts = dict.fromkeys(("same_photo", "same_product", "variant"), 0)
    for pair in result.pairs:
        counts[pair.verdict] = counts.get(pair.verdict, 0) + 1
    found = ", ".join(f"{n:,} {verdict}" for verdict, n in counts.items())
    typer.echo(f"{result.catalog.summary()}\nCandidates: {result.search}.")
    typer.echo(f"Pairs: {found}; {len(result.groups):,} groups. See {page}.")


@reads_listings
def classify(
    reading: Reading,
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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..core.config import load_config
    from ..embedding.embedder import Embedder
    from ..retrieval.zero_shot.classifier import ZeroShot
    from ..retrieval.zero_shot.labels import read_labels
    from ..retrieval.zero_shot.load_space import load_space

    names, descriptions = read_labels(labels, labels_file)
    embedder = embedder_of(reading, config)
    space = load_space(load_config(config).retrieval.image_text_space, embedder, reading.device)
    if space is None:
        raise ConfigError("The photo encoder knows no class names. Use --config starter.")
    own = Embedder(space.photos, space.texts, embedder.cache, embedder.limits)
    photos, titles = embed_one(photo, title, own)
    zero_shot = ZeroShot.from_names(names, descriptions, space)
    probabilities = zero_shot.classify(
        space.to_text_space(np.asarray(photos.features)), np.asarray(titles.features)
    )[0]
    table = Table("probability", "category")
    for i in probabilities.argsort()[::-1]:
        table.add_row(f"{probabilities[i]:.3f}", Text(names[i]))
    Console().print(table)


@taxonomy_app.command("add")
@reads_listings
def taxonomy_add(
    bundle: Annotated[Path, typer.Argument(help="Folder that `shelfsure train` wrote.")],
    categories: Annotated[list[str], typer.Argument(help='"Garden > Hammocks", one or more.')],
    reading: Reading,
) -> None:
    """Let a bundle know categories by name alone; a listing that fits one goes to review."""
    from ..pipeline.pipeline import ListingPipeline

    pipeline = ListingPipeline.load(
        bundle, device=reading.device, cache=reading.cache(), runtime=reading.runtime
    )
    saved = pipeline.with_categories(categories).save(bundle, overwrite=True)
    typer.echo(f"{', '.join(categories)} added; the bundle is now {saved.version}.")


@taxonomy_app.command("list")
@reads_listings
def taxonomy_list(
    bundle: Annotated[Path, typer.Argument(help="Folder that `shelfsure train` wrote.")],
    reading: Reading,
) -> None:
    """List a bundle's categories, and which are known by name only."""
    from ..pipeline.pipeline import ListingPipeline

    pipeline = ListingPipeline.load(
        bundle, device=reading.device, cache=reading.cache(), runtime=reading.runtime
    )
    names = pipeline.retrieval.names if pipeline.retrieval else pipeline.class_names
    for name in names:
        typer.echo(name if name in pipeline.class_names else f"{name} (by name only)")
