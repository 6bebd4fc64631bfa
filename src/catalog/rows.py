"""One row's raw fields become a Listing, or a reason why they can't."""

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path

from .listing import SEPARATOR, Listing, category_levels

FIELDS = tuple(field.name for field in dataclasses.fields(Listing))
_PROSE = ("title", "description", "brand")  # may hold line breaks and tabs
# C1 controls pass: in real titles they are misread Windows-1252 quotes, which text.clean mends.
_BAD_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BAD_ELSEWHERE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)


class RowError(ValueError):
    """A row can't be a listing; the message is the reason, its kind before the first colon."""


def listing_from_fields(
    fields: Mapping[str, object], *, image_root: Path | None, need_category: bool
) -> Listing:
    """Check one row and make it a Listing. No photo is opened here, only looked for.

    Parameters
    ----------
    fields
        Raw values by field name; a field that isn't there is missing, and so is one that is
        ``None``, NaN, or nothing but white space.
    image_root
        A resolved folder that photos must lie in, and that relative paths start from; ``None``
        takes any path, from the working folder.
    need_category
        Whether a listing without a category is a defect.

    Returns
    -------
    Listing
        Text exactly as written; the category's levels tidied; the photo as a resolved path.

    Raises
    ------
    RowError
        With the first reason found.
    """
    image = fields.get("image")
    texts = {name: as_text(name, fields.get(name)) for name in FIELDS if name != "image"}
    listing_id = texts["listing_id"]
    if listing_id is None:
        raise RowError("missing listing_id")
    levels = category_levels(texts["category"] or "")
    if need_category and not levels:
        raise RowError("missing category")
    photo: Path | bytes | None
    if isinstance(image, bytes):
        photo = image or None
    else:
        place = as_text("image", str(image) if isinstance(image, Path) else image)
        photo = None if place is None else find_photo(place, image_root)
    if photo is None and texts["title"] is None:
        raise RowError("missing photo and title: one of them must be there")
    return Listing(
        listing_id=listing_id,
        title=texts["title"],
        image=photo,
        description=texts["description"],
        brand=texts["brand"],
        category=SEPARATOR.join(levels) or None,
        group=texts["group"],
    )


def as_text(name: str, value: object) -> str | None:
    """Take a raw value as text: whole numbers become their digits, blank becomes ``None``."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise RowError(f"not text: {name} is {shown(value)} of type {type(value).__name__}")
    bad = (_BAD_IN_PROSE if name in _PROSE else _BAD_ELSEWHERE).search(value)
    if bad:
        kind = "control character" if bad[0] <= "\x7f" else "broken character"
        raise RowError(f"{kind}: {name} holds U+{ord(bad[0]):04X} in {shown(value)}")
    return value


def find_photo(place: str, image_root: Path | None) -> Path:
    """Resolve a photo's path; it must be a file, and inside `image_root` where that is given."""
    if _URL.match(place):
        raise RowError(
            f"photo is a URL: photos are read from files, not from the network; got {shown(place)}"
        )
    try:
        path = ((image_root or Path()) / place).resolve()
        outside = image_root is not None and not path.is_relative_to(image_root)
        found = not outside and path.is_file()
        folder = not outside and path.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle
        outside = found = folder = False
    if outside and (Path(place).is_absolute() or ".." in Path(place).parts):
        raise RowError(f"photo outside the image folder: {shown(place)}")
    if outside:
        raise RowError(f"photo links to outside the image folder: {shown(place)}")
    if folder:
        raise RowError(f"photo is a folder: {shown(place)}")
    if not found:
        raise RowError(f"photo not found: {shown(place)} is no file")
    return path


def shown(value: object, limit: int = 80) -> str:
    """Quote a value for a message: escaped, and cut to `limit` characters."""
    text = repr(value[:limit] if isinstance(value, str | bytes) else value)
    return text if len(text) <= limit + 2 else text[:limit] + "…"
