"""One picture of the whole sample: a row of thumbnails for each category."""

from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..core.errors import CatalogError
from ..core.files import atomic_path
from .sample import read_records

_WIDTH_PX, _LABEL_PX, _GAP_PX = 1440, 132, 4


def contact_sheet(directory: str | Path, out_path: str | Path, columns: int = 12) -> Path:
    """Draw the first photos of every category of a sample as a PNG, about 1440 pixels wide.

    Parameters
    ----------
    directory
        A folder that `unpack_sample` wrote.
    out_path
        Where to write the picture; an older one there is replaced.
    columns
        Photos in a row, 1 or more; planted copies are left out.

    Raises
    ------
    CatalogError
        If the folder isn't such a sample.
    """
    if columns < 1:
        raise ValueError(f"columns must be 1 or more; got {columns}. Pass a larger number.")
    directory, out_path = Path(directory), Path(out_path)
    photos = _photos_by_category(directory)
    side = (_WIDTH_PX - _LABEL_PX) // columns
    sheet = Image.new("RGB", (_LABEL_PX + side * columns, side * len(photos)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
    small = ImageFont.load_default(12)
    for row, (category, paths) in enumerate(sorted(photos.items())):
        first, _, leaf = category.partition(" > ")
        draw.text((10, side * row + side / 2 - 2), leaf, (38, 42, 52), font, anchor="ls")
        draw.text((10, side * row + side / 2 + 5), first, (122, 128, 140), small, anchor="lt")
        for column, path in enumerate(paths[:columns]):
            with Image.open(path) as photo:
                thumbnail = ImageOps.fit(photo.convert("RGB"), (side - _GAP_PX, side - _GAP_PX))
            sheet.paste(thumbnail, (_LABEL_PX + side * column, side * row + _GAP_PX // 2))
    with atomic_path(out_path) as partial:
        sheet.save(partial, "PNG")
    return out_path


def _photos_by_category(directory: Path) -> dict[str, list[Path]]:
    """Find the photos of the ordinary listings, in the catalogue's order."""
    try:
        truth = read_records(directory / "truth.csv")
    except FileNotFoundError:
        raise CatalogError(
            f"{directory} must be a sample folder, but has no truth.csv. Write one with "
            f"`shelfsure sample {directory}`."
        ) from None
    photos: defaultdict[str, list[Path]] = defaultdict(list)
    for row in truth:
        path = directory / "photos" / f"{row['listing_id']}.jpg"
        if row["file"] == "catalogue.csv" and row["kind"] == "listing" and path.is_file():
            photos[row["category"]].append(path)
    return dict(photos)
