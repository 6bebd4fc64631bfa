"""The options that every command which reads listings has, declared once."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.device import Runtime

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..core.cache import EmbeddingCache
    from ..vision.load import PhotoLimits

_FILE, _PHOTOS, _RUN = "Column names in the file", "Photos", "Running"


def _column(name: str) -> Any:
    return typer.Option(help=f"Column that holds the {name}.", rich_help_panel=_FILE)


@dataclass(frozen=True)
class Reading:
    """How listings are read and embedded; every field is a command-line option."""

    image_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the photos (default: the file's)", rich_help_panel=_PHOTOS),
    ] = None
    max_pixels: Annotated[
        int, typer.Option(help="Refuse photos with more pixels.", min=1, rich_help_panel=_PHOTOS)
    ] = 100_000_000
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Use cut-off photos.", rich_help_panel=_PHOTOS)
    ] = False
    listing_id_column: Annotated[str | None, _column("listing_id")] = None
    title_column: Annotated[str | None, _column("title")] = None
    description_column: Annotated[str | None, _column("description")] = None
    brand_column: Annotated[str | None, _column("brand")] = None
    category_column: Annotated[str | None, _column("category")] = None
    image_column: Annotated[str | None, _column("image")] = None
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.", rich_help_panel=_RUN)] = (
        "auto"
    )
    runtime: Annotated[
        Runtime,
        typer.Option(
            help="What computes the encoders; auto is the fastest here.", rich_help_panel=_RUN
        ),
    ] = "auto"
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Embed everything anew.", rich_help_panel=_RUN)
    ] = False

    def catalog(self, path: Path, *, need_category: bool) -> "Catalog":
        """Read a file of listings with these options."""
        from ..catalog.catalog import read_catalog

        fields = ("listing_id", "title", "description", "brand", "category", "image")
        named = {name: getattr(self, f"{name}_column") for name in fields}
        columns = {name: column for name, column in named.items() if column}
        return read_catalog(
            path, columns=columns, image_root=self.image_root, need_category=need_category
        )

    def limits(self) -> "PhotoLimits":
        from ..vision.load import PhotoLimits

        return PhotoLimits(self.max_pixels, self.allow_truncated)

    def cache(self) -> "EmbeddingCache | None":
        from ..core.cache import EmbeddingCache

        return None if self.no_cache else EmbeddingCache()


def reads_listings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of `Reading`; it takes them as one argument named `reading`."""
    shared = inspect.signature(Reading, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters
    parameters = [p for p in own.values() if p.name != "reading"]
    parameters += [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in shared.values()]

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        reading = Reading(**{name: values.pop(name) for name in shared})
        command(reading=reading, **values)

    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapped
