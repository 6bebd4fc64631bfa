"""Options that several commands have, in groups: a command takes those that it uses."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.device import Runtime
from ..core.errors import ConfigError
from .messages import say_reading

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.catalog_file import CatalogFile
    from ..catalog.listing import Listing
    from ..core.cache import EmbeddingCache
    from ..embedding.embedder import Embedder
    from ..embedding.run_options import RunOptions
    from ..fusion.views import View
    from ..vision.load import PhotoLimits

_FILE, _PHOTOS, _RUN = "Column names in the file", "Photos", "Running"

CatalogueFile = Annotated[
    Path,
    typer.Argument(
        help="CSV, TSV, JSON, Parquet, a spreadsheet, a folder of such parts, or one of photos."
    ),
]
BundleFolder = Annotated[Path, typer.Argument(help="Folder that `shelfsure train` wrote.")]
ConfigOption = Annotated[
    str, typer.Option("--config", help="starter, starter-large, full, or a YAML file.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the bundle in --out.")]
Mlflow = Annotated[str, typer.Option(help="MLflow tracking URI, or `none`.")]
Device = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.", rich_help_panel=_RUN)]
RuntimeOption = Annotated[
    Runtime,
    typer.Option(
        help="What computes the encoders; auto is the fastest here.", rich_help_panel=_RUN
    ),
]

Outside = Annotated[
    Path | None, typer.Option(help="Folder of photos that the catalogue doesn't sell.")
]
OnShiftOption = Annotated[
    Literal["review", "warn", "ignore"],
    typer.Option(
        help="If the listings as a whole are unlike those trained on: accept none, or say it."
    ),
]

AuditOption = Annotated[
    str | None,
    typer.Option(
        help="Share of accepted listings that is put into the review queue to see whether the "
        "promise is kept, as 2% or 0.02. Where it isn't, nothing is accepted any more."
    ),
]


def _column(name: str) -> Any:
    return typer.Option(help=f"Column that holds the {name}.", rich_help_panel=_FILE)


@dataclass(frozen=True)
class FileOptions:
    """How a file of listings is read."""

    image_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the photos (default: the file's)", rich_help_panel=_PHOTOS),
    ] = None
    listing_id_column: Annotated[str | None, _column("listing_id")] = None
    title_column: Annotated[str | None, _column("title")] = None
    description_column: Annotated[str | None, _column("description")] = None
    brand_column: Annotated[str | None, _column("brand")] = None
    category_column: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that holds the category; several make its path, the highest first.",
            rich_help_panel=_FILE,
        ),
    ] = None
    image_column: Annotated[str | None, _column("image")] = None
    more_images_column: Annotated[list[str] | None, _column("further photos; repeatable")] = None
    group_column: Annotated[str | None, _column("group: seller, shop, batch")] = None
    category_separator: Annotated[
        str | None,
        typer.Option(
            help="What ends a category's level besides > (default: found out).",
            rich_help_panel=_FILE,
        ),
    ] = None
    category_taxonomy: Annotated[
        Path | None,
        typer.Option(
            help="Google's product taxonomy with ids, or a file like it: categories may be ids, "
            "and `predict` gives them back.",
            rich_help_panel=_FILE,
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(help="Of a text file (default: UTF-8, or UTF-16).", rich_help_panel=_FILE),
    ] = None
    on_photo_error: Annotated[
        Literal["reject", "title"],
        typer.Option(
            help="A photo that can't be had: reject the listing, or go by its title.",
            rich_help_panel=_PHOTOS,
        ),
    ] = "reject"
    no_photos: Annotated[
        bool, typer.Option("--no-photos", help="Look at no photo.", rich_help_panel=_PHOTOS)
    ] = False
    min_usable: Annotated[
        float,
        typer.Option(
            help="Write nothing if a smaller share of the rows can be used (0: if none can).",
            min=0,
            max=1,
            rich_help_panel=_FILE,
        ),
    ] = 0.0

    def catalog(self, path: Path, *, need_category: bool) -> "Catalog":
        """Read a file of listings with these options."""
        from ..catalog.catalog import read_catalog

        catalog = read_catalog(path, need_category=need_category, **self.reading())
        say_reading(catalog)
        self.require_usable(catalog)
        return catalog

    def opened(self, path: Path) -> "CatalogFile":
        """Open a file of listings with these options, to read it some rows at a time."""
        from ..catalog.catalog_file import CatalogFile

        return CatalogFile(path, **self.reading())

    def run_values(self) -> dict[str, Any]:
        """Give what the rows read depend on, as JSON has it."""
        values = {name: value for name, value in vars(self).items() if name != "min_usable"}
        paths = {name: values[name] for name in ("image_root", "category_taxonomy")}
        return values | {name: path and str(path) for name, path in paths.items()}

    def category_ids(self) -> dict[str, str]:
        """Give the id of each category path, as the taxonomy says."""
        from ..catalog.taxonomy_file import read_taxonomy

        taxonomy = read_taxonomy(self.category_taxonomy) if self.category_taxonomy else {}
        return {path: key for key, path in taxonomy.items()}

    def reading(self) -> dict[str, Any]:
        """Give what `read_catalog` takes."""
        from ..catalog.listing import FIELDS, MORE_IMAGES

        named = {name: getattr(self, f"{name}_column") for name in (*FIELDS, MORE_IMAGES)}
        return {
            "columns": {name: column for name, column in named.items() if column},
            "image_root": self.image_root,
            "category_separator": self.category_separator,
            "photos": not self.no_photos,
            "on_photo_error": self.on_photo_error,
            "encoding": self.encoding,
            "category_taxonomy": self.category_taxonomy,
        }

    def require_usable(self, catalog: "Catalog") -> None:
        """Raise a CatalogError, before anything is written, if too few rows can be used."""
        from ..catalog.usable import require_usable

        require_usable(catalog, self.min_usable)


@dataclass(frozen=True)
class PhotoOptions:
    """What a photo may be."""

    max_pixels: Annotated[
        int, typer.Option(help="Refuse photos with more pixels.", min=1, rich_help_panel=_PHOTOS)
    ] = 100_000_000
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Use cut-off photos.", rich_help_panel=_PHOTOS)
    ] = False

    def limits(self) -> "PhotoLimits":
        from ..vision.load import PhotoLimits

        return PhotoLimits(self.max_pixels, self.allow_truncated)


@dataclass(frozen=True)
class EncoderOptions:
    """How encoders run."""

    device: Device = "auto"
    runtime: RuntimeOption = "auto"
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Embed everything anew.", rich_help_panel=_RUN)
    ] = False

    def run_options(
        self,
        photos: PhotoOptions,
        *,
        progress: bool = True,
        cache: "type[EmbeddingCache] | None" = None,
    ) -> "RunOptions":
        """Put these options and those of photos together; `cache` opens another than the usual."""
        from ..core.cache import EmbeddingCache
        from ..embedding.run_options import RunOptions

        return RunOptions(
            device=self.device,
            runtime=self.runtime,
            limits=photos.limits(),
            cache=None if self.no_cache else (cache or EmbeddingCache)(),
            progress=progress,
        )


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of each group, a dataclass, that it has an argument of."""
    own = inspect.signature(command, eval_str=True).parameters
    taken: dict[str, Callable[..., Any]] = {
        p.name: p.annotation
        for p in own.values()
        if isinstance(p.annotation, type) and is_dataclass(p.annotation)
    }
    parameters = [p for p in own.values() if p.name not in taken]
    options = {
        name: inspect.signature(group, eval_str=True).parameters for name, group in taken.items()
    }
    for shared in options.values():
        parameters += [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in shared.values()]

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        for name, shared in options.items():
            given = {option: values.pop(option) for option in shared if option in values}
            values[name] = taken[name](**given)
        command(**values)

    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapped


def load_encoders(config: str, options: "RunOptions") -> "Embedder":
    """Load the encoders that a configuration names."""
    from ..core.config import load_config
    from ..embedding.embedder import load_embedder

    return load_embedder(load_config(config), options)


def embed_one(photo: Path | None, title: str | None, embedder: "Embedder") -> "tuple[View, View]":
    """Embed one listing; its photo's error is the user's."""
    from ..catalog.listing import Listing
    from ..core.errors import UnreadablePhotoError

    if photo is None and not (title or "").strip():
        raise ConfigError("A photo or a title is needed, but neither was given.")
    embedded = embedder.embed([Listing(title=title, image=photo)], description=False)
    if embedded.problems:
        raise UnreadablePhotoError(embedded.problems[0])
    return embedded.photo, embedded.title


def photos_outside(folder: Path | None) -> "Sequence[Listing]":
    """List the photos of what isn't sold; none without a folder."""
    from ..catalog.photo_listings import photos_in

    return photos_in(folder) if folder else ()
