"""Commands about the catalogue as a whole: its index, its duplicates, categories by name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import ConfigError
from .options import Reading, reads_listings

if TYPE_CHECKING:
    from .embedding import Embedder
    from .fusion.views import View
    from .retrieval.store import ListingIndex

index_app = typer.Typer(no_args_is_help=True, help="Indexes of listings, to search in.")
taxonomy_app = typer.Typer(no_args_is_help=True, help="The categories that a bundle knows by name.")

IndexFolder = Annotated[Path, typer.Argument(help="Folder of the index, index/NAME.")]
CatalogueFile = Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet.")]
ConfigOption = Annotated[str, typer.Option("--config", help="starter, full, or a YAML file.")]
Kind = Annotated[str, typer.Option(help="auto, exact, hnsw or ivf.")]
KINDS = ("auto", "exact", "hnsw", "ivf")


@index_app.command("build")
@reads_listings
def index_build(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the index, index/NAME.")],
    reading: Reading,
    kind: Kind = "auto",
    config: ConfigOption = "starter",
) -> None:
    """Build an index of a catalogue, or replace the one that is there."""
    _write(catalogue, out, reading, config, kind=kind, build=True)


@index_app.command("add")
@reads_listings
def index_add(
    index: IndexFolder, catalogue: CatalogueFile, reading: Reading, config: ConfigOption = "starter"
) -> None:
    """Add listings; those whose id is there already are replaced."""
    _write(catalogue, index, reading, config, kind="auto", build=False)


@index_app.command("remove")
def index_remove(
    index: IndexFolder, listing_ids: Annotated[list[str], typer.Argument(help="Ids.")]
) -> None:
    """Remove listings by id."""
    from .retrieval.store import ListingIndex

    removed = ListingIndex.open(index).remove(listing_ids)
    typer.echo(f"{removed:,} of {len(listing_ids):,} listings removed.")


@index_app.command("merge")
def index_merge(
    index: IndexFolder, other: Annotated[Path, typer.Argument(help="Its listings are added.")]
) -> None:
    """Add all listings of another index; its own win over equal ids."""
    from .retrieval.store import ListingIndex

    mine = ListingIndex.open(index)
    mine.merge(ListingIndex.open(other))
    _describe(mine)


@index_app.command("rebuild")
def index_rebuild(index: IndexFolder, kind: Kind = "auto") -> None:
    """Write an index anew in one piece, of another kind if wished."""
    from .retrieval.store import ListingIndex

    mine = ListingIndex.open(index)
    mine.rebuild(_kind(kind))  # type: ignore[arg-type]
    _describe(mine)


@index_app.command("info")
def index_info(index: IndexFolder) -> None:
    """Say what an index holds."""
    from .retrieval.store import ListingIndex

    _describe(ListingIndex.open(index))


@index_app.command("search")
@reads_listings
def index_search(
    index: IndexFolder,
    reading: Reading,
    photo: Annotated[Path | None, typer.Option(help="Search by this photo.")] = None,
    title: Annotated[str | None, typer.Option(help="Search by this title.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many.", min=1)] = 10,
    config: ConfigOption = "starter",
) -> None:
    """Find the listings most like a photo, a title, or both."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from .retrieval.store import ListingIndex

    embedder = _embedder(reading, config)
    photos, titles = _one(photo, title, embedder)
    opened = ListingIndex.open(index, _fingerprints(embedder))
    spaces = opened.info().spaces
    views = {n: v for n, v in {"photo": photos, "title": titles}.items() if n in spaces}
    table = Table("similarity", "listing", "category", "title")
    for near in opened.search(views, k)[0]:
        cells = (near.listing_id, near.category or "", near.title or "")
        table.add_row(f"{near.similarity:.3f}", *[Text(cell) for cell in cells])
    Console().print(table)


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
        float, typer.Option(help="With --fit: share of the pairs found that shall be right.")
    ] = 0.99,
    config: ConfigOption = "starter",
) -> None:
    """Find listings that are the same thing twice, and variants that only look like it."""
    from .embedding import set_problems_aside
    from .retrieval.duplicates.find import find_duplicates
    from .retrieval.duplicates.fit import fit_pair_model
    from .retrieval.duplicates.report import write_duplicates
    from .retrieval.duplicates.shelf import Shelf
    from .retrieval.memory import index_shelf
    from .retrieval.store import ListingIndex

    catalog = reading.catalog(catalogue, need_category=False)
    embedder = _embedder(reading, config)
    embedded = embedder.embed(catalog.listings, description=False)
    catalog, embedded = set_problems_aside(catalog, embedded)
    shelf = Shelf.of(catalog.listings, embedded)
    known = None
    if against is not None:
        known = index_shelf(ListingIndex.open(against, _fingerprints(embedder)))
    model = fit_pair_model(shelf, target_precision=precision) if fit else None
    result = find_duplicates(
        shelf, embedder.photos, model, against=known, limits=reading.limits(), progress=True
    )
    page = write_duplicates(result, out)
    catalog.write_rejected(out / "rejected.csv")
    counts = dict.fromkeys(("same_photo", "same_product", "variant"), 0)
    for pair in result.pairs:
        counts[pair.verdict] = counts.get(pair.verdict, 0) + 1
    found = ", ".join(f"{n:,} {verdict}" for verdict, n in counts.items())
    typer.echo(f"{catalog.summary()}\nPairs: {found}; {len(result.groups):,} groups. See {page}.")


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

    from .config import load_config
    from .embedding import Embedder
    from .retrieval.labels import read_labels
    from .retrieval.memory import joint_space
    from .retrieval.zero_shot import ZeroShot

    names, descriptions = read_labels(labels, labels_file)
    embedder = _embedder(reading, config)
    joint = joint_space(load_config(config).retrieval.joint, embedder, reading.device)
    if joint is None:
        raise ConfigError("The photo encoder knows no class names. Use --config starter.")
    own = Embedder(joint.photos, joint.texts, embedder.cache, embedder.limits)
    photos, titles = _one(photo, title, own)
    zero_shot = ZeroShot.from_names(names, descriptions, joint)
    probabilities = zero_shot.classify(
        joint.to_text_space(np.asarray(photos.features)), np.asarray(titles.features)
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
    from .pipeline import ListingPipeline

    pipeline = ListingPipeline.load(bundle, device=reading.device, cache=reading.cache())
    saved = pipeline.with_categories(categories).save(bundle, overwrite=True)
    typer.echo(f"{', '.join(categories)} added; the bundle is now {saved.version}.")


@taxonomy_app.command("list")
@reads_listings
def taxonomy_list(
    bundle: Annotated[Path, typer.Argument(help="Folder that `shelfsure train` wrote.")],
    reading: Reading,
) -> None:
    """List a bundle's categories, and which are known by name only."""
    from .pipeline import ListingPipeline

    pipeline = ListingPipeline.load(bundle, device=reading.device, cache=reading.cache())
    names = pipeline.memory.names if pipeline.memory else pipeline.class_names
    for name in names:
        typer.echo(name if name in pipeline.class_names else f"{name} (by name only)")


def _write(
    catalogue: Path, folder: Path, reading: Reading, config: str, *, kind: str, build: bool
) -> None:
    from .embedding import set_problems_aside
    from .retrieval.index.records import records_of
    from .retrieval.store import ListingIndex

    wanted = _kind(kind)
    catalog = reading.catalog(catalogue, need_category=False)
    embedder = _embedder(reading, config)
    embedded = embedder.embed(catalog.listings, description=False)
    catalog, embedded = set_problems_aside(catalog, embedded)
    records = records_of(catalog.listings, embedded.photo_hashes)
    views = {"photo": embedded.photo, "title": embedded.title}
    if build:
        index = ListingIndex.build(folder, records, views, _fingerprints(embedder), wanted)  # type: ignore[arg-type]
    else:
        index = ListingIndex.open(folder, _fingerprints(embedder))
        index.add(records, views)
    rejected = folder.with_name(f"{folder.name}-rejected.csv")
    catalog.write_rejected(rejected)
    typer.echo(catalog.summary() + (f"; reasons in {rejected}" if catalog.rejected else ""))
    _describe(index)


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ConfigError(f"--kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    return kind


def _embedder(reading: Reading, config: str) -> "Embedder":
    from .config import load_config
    from .embedding import load_embedder
    from .training import resolve

    return load_embedder(
        resolve(load_config(config), reading.device),
        device=reading.device,
        cache=reading.cache(),
        limits=reading.limits(),
        progress=True,
    )


def _fingerprints(embedder: "Embedder") -> dict[str, str]:
    return {"photo": embedder.photos.fingerprint, "title": embedder.texts.fingerprint}


def _one(photo: Path | None, title: str | None, embedder: "Embedder") -> "tuple[View, View]":
    """Embed one listing; its photo's error is the user's."""
    from .errors import UnreadablePhotoError
    from .listings.listing import Listing

    if photo is None and not (title or "").strip():
        raise ConfigError("A photo or a title is needed, but neither was given.")
    embedded = embedder.embed([Listing(title=title, image=photo)], description=False)
    if embedded.problems:
        raise UnreadablePhotoError(embedded.problems[0])
    return embedded.photo, embedded.title


def _describe(index: "ListingIndex") -> None:
    info = index.info()
    typer.echo(f"{info.folder}: {info.n_listings:,} listings, {info.n_bytes / 1e6:,.1f} MB")
    for name, space in info.spaces.items():
        typer.echo(
            f"  {name}: {space.n_vectors:,} vectors of {space.dim} dimensions, "
            f"{' and '.join(space.kinds) or 'empty'}, recall@10 {space.recall_at_10:.3f}"
        )
