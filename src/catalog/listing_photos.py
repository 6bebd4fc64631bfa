"""All photos that a row names become a main one and further ones, or reasons why they can't."""

from pathlib import Path
from typing import Any, TypeAlias

from .listing import MAX_PHOTOS, UnusablePhoto, with_photos
from .photo_paths import PhotoFolder
from .values import RowError

_BEYOND = "it is beyond the first that are looked at"
_AHEAD = 2 * MAX_PHOTOS  # equal ones count once

Photo: TypeAlias = str | Path | bytes
Photos: TypeAlias = tuple[Photo | None, tuple[Photo | UnusablePhoto, ...]]
"""The main photo, and further ones as `Listing` has them."""


def find_photos(folder: PhotoFolder, value: Any, more: Any = None) -> Photos:
    """Find the photos of one row.

    The first that can be had is the main one; the others that can't are said in their places. Only
    so many are looked for as count.

    Parameters
    ----------
    value
        The raw value that names the photo, or several.
    more
        The raw values that name further ones.

    Raises
    ------
    RowError
        If there is a `value`, but no photo can be had; says why for the first one.
    """
    main_ones = folder.each(value)
    named = [*main_ones, *folder.each(more)]
    found: list[Photo | UnusablePhoto] = []
    first_error = None
    for one in named[:_AHEAD]:
        try:
            photo = one if isinstance(one, UnusablePhoto) else folder.photo(one)
        except RowError as error:
            first_error = first_error or error
            photo = UnusablePhoto(str(error))
        found += [] if photo is None else [photo]
    n_beyond = sum(one.n if isinstance(one, UnusablePhoto) else 1 for one in named[_AHEAD:])
    found += [UnusablePhoto(_BEYOND, n=n_beyond)] if n_beyond > 0 else []
    main, further = with_photos(found)
    if main is None and main_ones and first_error is not None:
        raise first_error
    return main, further
