"""Listings made in memory, as tables give their fields: NaN, numbers as ids, any kind of bytes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .listing import FIELDS, Listing
from .values import RowError, as_text, is_missing, shown


def tidied(listings: Sequence[Listing]) -> tuple[list[Listing], dict[int, str]]:
    """Give fields their types: what a table calls missing is None, a number is its digits.

    Text stays as it is written.

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
        for name in FIELDS:
            value = getattr(listing, name)
            try:
                own = _TAKES.get(name, _text)(name, value)
            except RowError as error:
                own = None
                defects.setdefault(row, str(error))
            if own is not value:
                changed[name] = own
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


def _photo(name: str, value: Any) -> str | Path | bytes | None:
    if value is None or isinstance(value, str | Path | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value) or None
    if is_missing(value):
        return None
    raise RowError(
        f"not a photo: {name} must be a path or a file's bytes, got {shown(value)} of type "
        f"{type(value).__name__}"
    )


_TAKES = {"listing_id": _id, "image": _photo}
