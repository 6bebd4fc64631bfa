"""What comes after a catalogue: review queues and further files of listings."""

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import say, say_reading
from .options import FileOptions

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.merging import Additions, Merged

With = Annotated[
    list[Path] | None,
    typer.Option(
        "--with",
        help="A review queue's SQLite file, or more listings; may be given several times. What it "
        "says of a listing that the catalogue has takes the place of its category.",
    ),
]


def merged(catalog: "Catalog", others: Iterable[Path], file: FileOptions) -> "Merged":
    """Merge review queues and further files into a catalogue, and say what became of them."""
    from ..catalog.merging import merge

    result = merge(catalog, [_read(path, file) for path in others])
    for line in result.said:
        say(f"{line}.")
    return result


def _read(path: Path, file: FileOptions) -> "Additions":
    from ..catalog.merging import Additions
    from ..serving.review.answers import is_review_store, read_answers

    if is_review_store(path):
        return read_answers(path)
    return Additions.of(_further_catalog(path, file))


def _further_catalog(path: Path, file: FileOptions) -> "Catalog":
    """Read a file whose photos lie beside it, or else where the first one's do.

    What Shelfsure wrote has its own column names.
    """
    from ..catalog.catalog import read_catalog
    from ..catalog.export import PART

    if PART.is_own(path):
        plain: dict[str, Any] = {
            each.name: None for each in fields(file) if each.name.endswith("_column")
        }
        file = replace(file, **plain, category_separator=None, encoding=None)
    roots = dict.fromkeys([None, file.image_root])
    readings = [
        read_catalog(path, need_category=True, **replace(file, image_root=root).reading())
        for root in roots
    ]
    catalog = max(readings, key=lambda read: len(read.listings))
    say_reading(catalog)
    file.require_usable(catalog)
    return catalog
