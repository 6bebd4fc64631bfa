"""Commands around the data: split a catalogue, unpack the sample, look after the cache."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import say_levels
from .options import (
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    PhotoOptions,
    load_encoders,
    takes_options,
)

cache_app = typer.Typer(no_args_is_help=True, help="The cache of embeddings.")


@takes_options
def split(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder for train.csv and test.csv.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    test_fraction: Annotated[float, typer.Option(min=0.01, max=0.99)] = 0.25,
    levels: Annotated[
        int | None, typer.Option(help="Category levels to keep in proportion (default: 2).", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Split a catalogue so that no duplicate of a training listing is in the test part.

    Nor is another listing of its seller (--group-column), or of its session of photos.
    """
    from ..catalog.export import PART, REJECTED, write_listings
    from ..catalog.listing import category_prefix
    from ..catalog.splits import split_indices
    from ..core.files import atomic_files, require_free_file
    from ..embedding.grouping import group_listings

    for name, kind in (("train", PART), ("test", PART), ("rejected", REJECTED)):
        require_free_file(out / f"{name}.csv", kind, inputs=(catalogue,))
    catalog = file.catalog(catalogue, need_category=True)
    say_levels(catalog, levels)
    embedder = load_encoders("starter", encoders.run_options(photos))
    catalog, embedded = embedder.embed_catalog(catalog, description=False)
    file.require_usable(catalog)
    names = [category_prefix(item.category or "", levels or 2) for item in catalog.listings]
    grouping = group_listings(
        catalog.listings,
        embedded.photo,
        embedded.photo_hashes,
        embedded.titles,
        names,
        seed=seed,
        further=embedded.further,
    ).announced()
    shares = {"train": 1 - test_fraction, "test": test_fraction}
    root = file.image_root or catalogue.parent
    parts = split_indices(names, grouping.groups, shares, seed)
    with atomic_files(out) as folder:
        for name, rows in parts.items():
            write_listings(folder / f"{name}.csv", [catalog.listings[row] for row in rows], root)
        catalog.write_rejected(folder / "rejected.csv")
    elsewhere = "" if out.resolve() == root.resolve() else f"; read it with --image-root {root}"
    for name, rows in parts.items():
        typer.echo(f"{out / name}.csv: {len(rows):,} listings{elsewhere}")
    typer.echo(catalog.summary())


def sample(
    directory: Annotated[Path, typer.Argument(help="A new folder.")],
    seed: Annotated[int | None, typer.Option(hidden=True)] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also make a contact sheet (PNG).")] = None,
) -> None:
    """Unpack a small synthetic catalogue to try everything on."""
    from ..catalog.sample import SAMPLE_SEED, unpack_sample
    from ..catalog.sample_sheet import contact_sheet
    from ..core.errors import ConfigError
    from ..core.files import require_free_file
    from ..core.kinds import FileKind

    if seed not in {None, SAMPLE_SEED}:
        raise ConfigError(
            f"The sample that ships was drawn with seed {SAMPLE_SEED}, so --seed {seed} can't be "
            "had. Leave it out, or draw another sample in a checkout: python -m "
            f"tools.sample_catalogue --seed {seed} --out sample.zip"
        )
    if sheet:
        require_free_file(sheet, FileKind("a contact sheet", lambda _: False))
    summary = unpack_sample(directory)
    typer.echo(
        f"{summary.n_listings} listings, {summary.n_uploads} new uploads and "
        f"{summary.n_outside} outside photos are in {summary.directory}; truth.csv says what is "
        f"what ({summary.n_near_duplicates} near-duplicates, {summary.n_variants} variants, "
        f"{summary.n_outsiders} outsiders, {summary.n_missing_titles} without a title, "
        f"{summary.n_missing_photos} without a photo)."
    )
    if sheet:
        typer.echo(f"Contact sheet: {contact_sheet(directory, sheet)}")


@cache_app.command("info")
def cache_info() -> None:
    """Say where the cache is and what it holds."""
    from ..core.cache import EmbeddingCache

    info = EmbeddingCache().info()
    typer.echo(
        f"{info.path}: {info.n_vectors:,} vectors of {info.n_encoders} encoder settings, "
        f"{info.n_bytes / 1e6:,.1f} of at most {info.max_bytes / 1e6:,.0f} MB"
    )


@cache_app.command("clear")
def cache_clear() -> None:
    """Remove every cached embedding; they are computed again when needed."""
    from ..core.cache import EmbeddingCache

    typer.echo(f"{EmbeddingCache().clear():,} vectors removed.")
