"""Listings, tables and zips to try with one click, from the sample and so nobody's property."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...catalog.delimited import write_csv
from ...catalog.listing import Listing, category_prefix
from ...catalog.sample import read_records, read_sample
from ...pipeline.starter import starter_name, starter_shop
from ..service import Service
from .html import asset
from .uploads.uploads import Workspace

N_UPLOADS, N_LABELLED = 30, 72


@dataclass(frozen=True)
class Example:
    """A listing to try; `name` is what its button says, `photo` a JPEG file."""

    name: str
    title: str
    photo: Path | None

    @property
    def listing(self) -> Listing:
        """The listing as a seller would upload it."""
        return Listing(title=self.title, image=self.photo)


def unpack_examples(folder: Path) -> tuple[Example, ...]:
    """Give one listing for each thing that a verdict may say; photos go into `folder`."""
    examples = []
    for each in _told()["listings"]:
        photo = folder / Path(each["photo"]).name if each["photo"] else None
        if photo:
            photo.write_bytes(read_sample(each["photo"]))
        examples.append(Example(each["name"], each["title"], photo))
    return tuple(examples)


def example_filler(
    service: Service, make: Callable[[Path, Path, Sequence[str], int], Sequence[Path]], said: str
) -> Callable[[], list[str]]:
    """Make what fills in a tab's example, and says so; `make` is one of the two functions below."""
    place = Workspace()

    def fill() -> list[str]:
        pipeline = service.pipeline
        paths = make(starter_shop(), place.path, pipeline.class_names, pipeline.config.levels)
        return [*map(str, paths), said]

    return fill


def example_uploads(
    shop: Path, into: Path, class_names: Sequence[str], levels: int
) -> tuple[Path, Path]:
    """Write a table of uploads, two of them bad rows, and a zip of their photos.

    `shop` is a sample catalogue, as `unpack_sample` leaves it. A model that wasn't trained on the
    sample gets plain titles and no descriptions: the sample's are written to be awkward, and
    strange to a model of real shops.
    """
    rows = read_records(shop / "uploads.csv")[:N_UPLOADS]
    truth = {row["listing_id"]: row["category"] for row in read_records(shop / "truth.csv")}
    if not {category_prefix(name, levels) for name in truth.values()} & set(class_names):
        rows = [_plain(row, truth[row["listing_id"]]) for row in rows]
    rows[5:5] = [dict.fromkeys(rows[0], "") | bad for bad in _told()["bad_rows"]]
    return _write(rows, into / "uploads.csv"), _zip(shop, _photos(rows), into / "photos.zip")


def example_labelled(
    shop: Path, into: Path, class_names: Sequence[str], levels: int
) -> tuple[Path, Path, Path]:
    """Write a labelled table, a zip of its photos, and a zip of photos of other things.

    The labels are the model's own: as the sample calls them if it was trained on that, else as the
    model inside the package does; listings that it can't know are left out. The latter gets plain
    titles, as for uploads.
    """
    labelled = []
    for row in read_records(shop / "catalogue.csv"):
        name = _name_in(class_names, row["category"], levels)
        if name:
            own = row if name == row["category"] else _plain(row, row["category"])
            labelled.append(own | {"category": name})
    step = max(1, len(labelled) // N_LABELLED)
    rows = labelled[::step] or read_records(shop / "catalogue.csv")[:N_LABELLED]
    outside = sorted(path.relative_to(shop).as_posix() for path in (shop / "outside").iterdir())
    return (
        _write(rows, into / "labelled.csv"),
        _zip(shop, _photos(rows), into / "photos.zip"),
        _zip(shop, outside, into / "outside.zip"),
    )


@cache
def _told() -> Any:
    return json.loads(asset("examples.json"))


def _name_in(class_names: Sequence[str], category: str, levels: int) -> str | None:
    if category_prefix(category, levels) in class_names:
        return category
    name = starter_name(category)
    return name if name in class_names else None


def _plain(row: Mapping[str, str], category: str) -> dict[str, str]:
    """Give a listing of the sample the words of a real shop."""
    title = row["title"] and _told()["plain_titles"].get(category, row["title"])
    return {**row, "title": title, "description": ""}


def _write(rows: Sequence[Mapping[str, str]], path: Path) -> Path:
    write_csv(path, list(rows[0]), [list(row.values()) for row in rows])
    return path


def _photos(rows: Sequence[Mapping[str, str]]) -> list[str]:
    return [row["image"] for row in rows if row["image"]]


def _zip(shop: Path, names: Sequence[str], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            if (shop / name).is_file():
                archive.write(shop / name, name)
    return path
