"""Listings, tables and zips to try with one click, from the sample and so nobody's property."""

import csv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...catalog.listing import category_levels, category_prefix
from ...catalog.sample import read_records, read_sample
from ...pipeline.starter import starter_shop
from .uploads.uploads import Workspace

if TYPE_CHECKING:
    from ..service import Service

_EXAMPLES = (
    ("A mug", "Ceramic coffee mug with a printed design, 330 ml", "photos/u0059.jpg"),
    ("A vase", "Handmade ceramic flower vase, showpiece", "photos/u0018.jpg"),
    # an edited copy of a vase in the starter's catalogue
    ("Listed already", "bud holdr red (Halden) 22 cm", "photos/u0040.jpg"),
    ("Mismatched", "Round analog wall clock for the living room", "photos/u0068.jpg"),
    ("Not sold here", "Family car, five doors, diesel", "outside/car_21.jpg"),
    ("A title alone", "Analog wrist watch for men, leather strap", None),
)
"""What a button says, a title, and a photo of the sample; one for each thing a verdict may say."""
N_UPLOADS, N_LABELLED = 30, 72
_STARTER_NAMES = {
    "Kitchen": "Kitchen & Dining",
    "Home": "Home Decor & Festive Needs",
    "Electronics > Laptops": "Computers",
}
"""What the model inside the package calls the sample's categories, as far as it knows them."""
_PLAIN_TITLES = {
    "Kitchen > Mugs": "Ceramic coffee mug with a printed design, 330 ml",
    "Kitchen > Bottles": "Stainless steel water bottle for the kitchen, 750 ml",
    "Kitchen > Plates": "Ceramic dinner plates for the kitchen, set of 6",
    "Home > Vases": "Handmade ceramic flower vase, showpiece",
    "Home > Lamps": "Decorative table lamp, showpiece for the living room",
    "Home > Clocks": "Round analog wall clock for the living room",
    "Electronics > Laptops": "Laptop with a 15 inch display, 512 GB",
}
"""Titles as real shops write them: a model that learned from those hasn't seen the sample's."""
_BAD_ROWS = (
    {"listing_id": "no-photo", "title": "A mug whose photo is missing", "image": "photos/gone.jpg"},
    {"listing_id": "nothing"},
)


@dataclass(frozen=True)
class Example:
    """A listing to try.

    Parameters
    ----------
    name
        What its button says.
    photo
        A JPEG file; None for a listing without a photo.
    """

    name: str
    title: str
    photo: Path | None


def unpack_examples(folder: Path) -> tuple[Example, ...]:
    """Give one listing for each thing that a verdict may say; photos go into `folder`."""
    return tuple(
        Example(name, title, _unpacked(photo, folder) if photo else None)
        for name, title, photo in _EXAMPLES
    )


def _unpacked(name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    path.write_bytes(read_sample(name))
    return path


def example_filler(
    service: "Service", make: Callable[[Path, Path, Sequence[str], int], Sequence[Path]], said: str
) -> Callable[[], list[str]]:
    """Make what fills in a tab's example: put together at the first click, and kept.

    Parameters
    ----------
    make
        `example_uploads` or `example_labelled`.
    said
        What the tab says then.
    """
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

    Parameters
    ----------
    shop
        A sample catalogue, as `unpack_sample` leaves it.
    into
        Folder to write to.
    class_names, levels
        The model's. One that wasn't trained on the sample gets plain titles and no descriptions:
        the sample's are written to be awkward, and strange to a model of real shops.
    """
    rows = read_records(shop / "uploads.csv")[:N_UPLOADS]
    truth = {row["listing_id"]: row["category"] for row in read_records(shop / "truth.csv")}
    if not {category_prefix(name, levels) for name in truth.values()} & set(class_names):
        rows = [_plain(row, truth[row["listing_id"]]) for row in rows]
    rows[5:5] = [dict.fromkeys(rows[0], "") | bad for bad in _BAD_ROWS]
    return _write(rows, into / "uploads.csv"), _zip(shop, _photos(rows), into / "photos.zip")


def example_labelled(
    shop: Path, into: Path, class_names: Sequence[str], levels: int
) -> tuple[Path, Path, Path]:
    """Write a labelled table, a zip of its photos, and a zip of photos of other things.

    The labels are the model's own: as the sample calls them if it was trained on that, else as the
    model inside the package does; listings that it can't know are left out.
    """
    labelled = []
    for row in read_records(shop / "catalogue.csv"):
        name = _name_in(class_names, row["category"], levels)
        if name:
            labelled.append(row | {"category": name})
    step = max(1, len(labelled) // N_LABELLED)
    rows = labelled[::step] or read_records(shop / "catalogue.csv")[:N_LABELLED]
    outside = sorted(path.relative_to(shop).as_posix() for path in (shop / "outside").iterdir())
    return (
        _write(rows, into / "labelled.csv"),
        _zip(shop, _photos(rows), into / "photos.zip"),
        _zip(shop, outside, into / "outside.zip"),
    )


def _plain(row: dict[str, str], category: str) -> dict[str, str]:
    title = row["title"] and _PLAIN_TITLES.get(category, row["title"])
    return row | {"title": title, "description": ""}


def _name_in(class_names: Sequence[str], category: str, levels: int) -> str | None:
    if category_prefix(category, levels) in class_names:
        return category
    prefixes = [category_prefix(category, n) for n in range(1, len(category_levels(category)) + 1)]
    names = [_STARTER_NAMES[prefix] for prefix in prefixes if prefix in _STARTER_NAMES]
    return names[-1] if names and names[-1] in class_names else None


def _write(rows: Sequence[Mapping[str, str]], path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _photos(rows: Sequence[Mapping[str, str]]) -> list[str]:
    return [row["image"] for row in rows if row["image"]]


def _zip(shop: Path, names: Sequence[str], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            if (shop / name).is_file():
                archive.write(shop / name, name)
    return path
