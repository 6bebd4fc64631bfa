"""`shelfsure index`: build, change and search indexes of listings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ConfigError
from .messages import print_table
from .options import (
    CatalogueFile,
    ConfigOption,
    EncoderOptions,
    FileOptions,
    PhotoOptions,
    embed_one,
    load_encoders,
    takes_options,
)

if TYPE_CHECKING:
    from ..embedding.run_options import RunOptions
    from ..retrieval.index.store import ListingIndex

index_app = typer.Typer(no_args_is_help=True, help="Indexes of listings, to search in.")

IndexFolder = Annotated[Path, typer.Argument(help="Folder of the index, index/NAME.")]
Kind = Annotated[str, typer.Option(help="auto, exact, hnsw or ivf.")]
KINDS = ("auto", "exact", "hnsw", "ivf")


@index_app.command("build")
@takes_options
def index_build(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the index, index/NAME.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    kind: Kind = "auto",
    config: ConfigOption = "starter",
) -> None:
    """Build an index of a catalogue, or replace the one that is there."""
    from ..core.files import require_free_folder
    from ..retrieval.index.change import INDEX

    kind = _kind(kind)
    require_free_folder(out, INDEX, replace=True)
    options = encoders.run_options(photos)
    _write(file, catalogue, out, options, config, kind)


@index_app.command("add")
@takes_options
def index_add(
    index: IndexFolder,
    catalogue: CatalogueFile,
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    config: ConfigOption = "starter",
) -> None:
    """Add listings; those whose id is there already are replaced."""
    options = encoders.run_options(photos)
    _write(file, catalogue, index, options, config)


@index_app.command("remove")
def index_remove(
    index: IndexFolder, listing_ids: Annotated[list[str], typer.Argument(help="Ids.")]
) -> None:
    """Remove listings by id."""
    mine = _opened(index)
    removed = mine.remove(listing_ids)
    typer.echo(f"{removed:,} of {len(listing_ids):,} listings removed.")
    _describe(mine)


@index_app.command("merge")
def index_merge(
    index: IndexFolder, other: Annotated[Path, typer.Argument(help="Its listings are added.")]
) -> None:
    """Add all listings of another index; its own win over equal ids."""
    mine = _opened(index)
    mine.merge(_opened(other))
    _describe(mine)


@index_app.command("rebuild")
def index_rebuild(index: IndexFolder, kind: Kind = "auto") -> None:
    """Write an index anew in one piece, of another kind if wished."""
    mine = _opened(index)
    mine.rebuild(_kind(kind))  # type: ignore[arg-type]
    _describe(mine)


@index_app.command("info")
def index_info(index: IndexFolder) -> None:
    """Say what an index holds."""
    _describe(_opened(index))


@index_app.command("search")
@takes_options
def index_search(
    index: IndexFolder,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    photo: Annotated[Path | None, typer.Option(help="Search by this photo.")] = None,
    title: Annotated[str | None, typer.Option(help="Search by this title.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many.", min=1)] = 10,
    config: ConfigOption = "starter",
) -> None:
    """Find the listings most like a photo, a title, or both."""
    from ..retrieval.index.store import ListingIndex
    from ..retrieval.zero_shot.load_space import fingerprints

    embedder = load_encoders(config, encoders.run_options(photos, progress=False))
    seen, read = embed_one(photo, title, embedder)
    opened = ListingIndex.open(index, fingerprints(embedder))
    spaces = opened.info().spaces
    views = {n: v for n, v in {"photo": seen, "title": read}.items() if n in spaces}
    print_table(
        ("similarity", "listing", "category", "title"),
        [
            (f"{near.similarity:.3f}", near.listing_id, near.category, near.title)
            for near in opened.search(views, k)[0]
        ],
    )


def _write(
    file: FileOptions,
    catalogue: Path,
    folder: Path,
    options: "RunOptions",
    config: str,
    kind: str | None = None,
) -> None:
    """Embed listings, and build an index of a `kind`; without one, add them to what is there."""
    from ..catalog.export import REJECTED
    from ..core.files import require_free_file
    from ..retrieval.index.rows import index_rows
    from ..retrieval.index.store import ListingIndex
    from ..retrieval.zero_shot.load_space import fingerprints

    rejected = folder.with_name(f"{folder.resolve().name}-rejected.csv")
    require_free_file(rejected, REJECTED, inputs=(catalogue,))
    catalog = file.catalog(catalogue, need_category=False)
    embedder = load_encoders(config, options)
    catalog, embedded = embedder.embed_catalog(catalog, description=False)
    file.require_usable(catalog)
    rows = index_rows(embedded)
    if kind:
        known = fingerprints(embedder)
        index = ListingIndex.build(folder, rows.records, rows.views, known, kind)  # type: ignore[arg-type]
    else:
        index = ListingIndex.open(folder, fingerprints(embedder))
        index.add(rows.records, rows.views)
    catalog.write_rejected(rejected)
    typer.echo(catalog.summary() + (f"; reasons in {rejected}" if catalog.rejected else ""))
    _describe(index)


def _opened(folder: Path) -> "ListingIndex":
    from ..retrieval.index.store import ListingIndex

    return ListingIndex.open(folder)


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ConfigError(f"--kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    return kind


def _describe(index: "ListingIndex") -> None:
    info = index.info()
    typer.echo(f"{info.folder}: {info.n_listings:,} listings, {info.n_bytes / 1e6:,.1f} MB")
    if info.n_removed:
        typer.echo(
            f"  {info.n_removed:,} removed listings are still stored; a part of the index is "
            "written anew by itself once more than half of it is gone, and all of it with: "
            "shelfsure index rebuild"
        )
    for name, space in info.spaces.items():
        typer.echo(
            f"  {name}: {space.n_vectors:,} vectors of {space.dim} dimensions, "
            f"{' and '.join(space.kinds) or 'empty'}, recall@10 {space.recall_at_10:.3f}"
        )
