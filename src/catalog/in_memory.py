"""Listings made in memory, as tables give their fields: NaN, numbers as ids, any kind of bytes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .listing import FIELDS, MORE_IMAGES, Listing, UnusablePhoto, with_photos
from .photo_paths import decoded
from .values import RowError, as_text, is_missing, shown


def tidied(listings: Sequence[Listing]) -> tuple[list[Listing], dict[int, str]]:
    """Give fields their types: what a table calls missing is None, a number is its digits.

    Text stays as it is written. A list as a photo is several of them.

    Returns
    -------
    list of Listing, dict of int to str
        As many as were given; and row -> reason, for those with a field that is nothing of its
        kind, which is left out.
    """
    kept: list[Listing] = []
    defects: dict[int, str] = {}
    for row, listing in enumerate(listings):
        changed: dict[str, Any] = {}
        for name in _OTHER_FIELDS:
            value = getattr(listing, name)
            try:
                own = _id(name, value) if name == "listing_id" else _text(name, value)
            except RowError as error:
                own = None
                defects.setdefault(row, str(error))
            if own is not value:
                changed[name] = own
        try:
            photos = _photos(listing)
        except RowError as error:
            photos = {"image": None, MORE_IMAGES: ()}
            defects.setdefault(row, str(error))
        changed |= {name: own for name, own in photos.items() if own is not getattr(listing, name)}
        kept.append(replace(listing, **changed) if changed else listing)
    return kept, defects


def _text(name: str, value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else as_text(name, value)


def _id(name: str, value: Any) -> str:
    """Write an id as catalogues do; one that is none in a catalogue, as Python does."""
    try:
        return _text(name, value) or ""
    except RowError:
        return str(value)


def _photos(listing: Listing) -> dict[str, Any]:
    """Give the fields that hold photos their types.

    Raises
    ------
    RowError
        If there is something, but none of it is a photo.
    """
    named = [*_listed(listing.image), *_listed(listing.more_images)]
    if len(named) <= 1 and not any(isinstance(one, UnusablePhoto) for one in named):
        return {"image": _photo("image", named[0]) if named else None, MORE_IMAGES: ()}
    found: list[Any] = []
    first_error = None
    for one in named:
        try:
            photo = one if isinstance(one, UnusablePhoto) else _photo("image", one)
        except RowError as error:
            first_error = first_error or error
            photo = UnusablePhoto(str(error))
        found += [] if photo is None else [photo]
    main, further = with_photos(found)
    if main is None and first_error is not None:
        raise first_error
    return {"image": main, MORE_IMAGES: further}


def _listed(value: Any) -> Sequence[Any]:
    """Give several photos, or one, or none as a list."""
    if isinstance(value, str | Path | bytes):
        return (value,)
    if _holds_bytes(value):
        return (value,)
    if hasattr(value, "tolist") and not isinstance(value, memoryview):  # NumPy's
        value = value.tolist()
    if isinstance(value, list | tuple):
        return value
    return () if is_missing(value) else (value,)


def _photo(name: str, value: Any) -> str | Path | bytes | None:
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():  # of Hugging Face
        data = value.get("bytes")
        return _photo(name, value.get("path") if is_missing(data) else data)
    if isinstance(value, str) and (written := decoded(value.strip())):
        return written
    if value is None or isinstance(value, str | Path | bytes):
        return value
    if isinstance(value, bytearray | memoryview) or _holds_bytes(value):
        return bytes(value) or None
    if is_missing(value):
        return None
    raise RowError(
        f"not a photo: {name} must be a path or a file's bytes, got {shown(value)} of type "
        f"{type(value).__name__}"
    )


def _holds_bytes(value: Any) -> bool:
    """Tell an array that is a file's bytes from one of photos, or of pixels."""
    return str(getattr(value, "dtype", "")) == "uint8" and value.ndim == 1


_OTHER_FIELDS = tuple(name for name in FIELDS if name != "image")
