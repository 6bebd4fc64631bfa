"""JSON Lines, or an array of JSON objects, to rows."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import CatalogError
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
        text = decode(path, encoding)
        self._items = _array(path, text) or list(_lines(text))
        objects = [item for item in self._items if isinstance(item, dict)]
        if not objects:
            defects = [item for item in self._items if isinstance(item, str)]
            raise CatalogError(
                f"{path}: each line, or each item of one array, must be a JSON object, but none is"
                f"{f' ({defects[0]})' if defects else ''}. Export it again."
            )
        self.columns = tuple(dict.fromkeys(name for item in objects for name in item))

    def rows(self, wanted: Collection[str]) -> list[Row]:
        """Give a row for each object, and a defect for what is none."""
        return [
            Row({name: item[name] for name in wanted if name in item})
            if isinstance(item, dict)
            else Row({}, item)
            for item in self._items
        ]


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


def _lines(text: str) -> Iterator[dict[str, Any] | str]:
    """Read one object a line, or say why a line is none."""
    # Only "\n" ends a line: JSON strings may hold U+2028 and its like, which splitlines would cut.
    for line, part in enumerate(text.split("\n"), start=1):
        if not part.strip():
            continue
        try:
            item = json.loads(part, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            yield f"not JSON: line {line}: {getattr(error, 'msg', error)}"
            continue
        yield item if isinstance(item, dict) else _not_an_object(f"line {line}", item)


def _not_an_object(where: str, item: object) -> str:
    return f"not a JSON object: {where} is a {type(item).__name__}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        raise ValueError("a key appears twice")
    return item
