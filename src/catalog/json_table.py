"""JSON Lines, or an array of JSON objects, to rows."""

import json
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from ..core.errors import CatalogError
from .file_lines import JSON_LINE, FileLines
from .raw_rows import Row
from .text_files import decode


class JsonTable:
    """One JSON object a line, or one array of them; a key that one lacks counts as missing there.

    An object that holds nothing but such an array, as ``{"products": [...]}``, is taken for it.

    Raises
    ------
    CatalogError
        If nothing in it is a JSON object, or it begins as an array that is broken.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self, path: Path, named: Collection[str] = (), encoding: str | None = None
    ) -> None:
        del named  # every object names its fields itself
        self._lines = FileLines(path, encoding, JSON_LINE)
        self._array = [] if _are_lines(self._lines) else _array(path, decode(path, encoding))
        self._n_read, columns, defect = 0, dict[str, None](), ""
        n_objects = 0
        for item in self._items():
            if isinstance(item, str):
                defect = defect or f" ({item})"
            else:
                n_objects += 1
                columns.update(dict.fromkeys(item))
        if not n_objects:
            raise CatalogError(
                f"{path}: each line, or each item of one array, must be a JSON object, but none is"
                f"{defect}. Export it again."
            )
        self.columns = tuple(columns)

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1."""
        return self._n_read / len(self._array or self._lines)

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Give a row for each object, and a defect for what is none."""
        for item in self._items():
            if isinstance(item, str):
                yield Row({}, item)
            else:
                yield Row({name: item[name] for name in wanted if name in item})

    def _items(self) -> Iterator[dict[str, Any] | str]:
        self._n_read = 0
        for item in self._array or map(_item, count(1), self._lines):
            self._n_read += 1
            if item is not None:
                yield item


def _are_lines(lines: FileLines) -> bool:
    """Say whether a text is JSON line by line, as its first two lines that aren't blank tell."""
    filled = (line for line in lines if line.strip())
    return _is_json(next(filled, "")) and next(filled, None) is not None


def _array(path: Path, text: str) -> list[dict[str, Any] | str]:
    """Read one array of objects; nothing where the text is objects, one a line."""
    try:
        whole = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "[" and not _is_json(text.lstrip().partition("\n")[0]):
            raise CatalogError(
                f"{path}: must be one JSON array, as it begins, but can't be read as one "
                f"({error}). Export it again."
            ) from error
        return []
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list)]
        if len(whole) != 1 or not lists or not any(isinstance(item, dict) for item in lists[0]):
            return []
        whole = lists[0]
    if not isinstance(whole, list):
        return []
    return [
        item if isinstance(item, dict) else _not_an_object(f"item {n}", item)
        for n, item in enumerate(whole, start=1)
    ]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _item(number: int, line: str) -> dict[str, Any] | str | None:
    """Read a line's object, or say why it is none; None for a blank line."""
    if not line.strip():
        return None
    try:
        item = json.loads(line.removesuffix("\n"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return f"not JSON: line {number}: {getattr(error, 'msg', error)}"
    return item if isinstance(item, dict) else _not_an_object(f"line {number}", item)


def _not_an_object(where: str, item: object) -> str:
    return f"not a JSON object: {where} is a {type(item).__name__}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        raise ValueError("a key appears twice")
    return item
