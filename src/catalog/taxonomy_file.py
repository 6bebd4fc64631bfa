"""A taxonomy's file, as Google publishes its product taxonomy: ``ID - A > B > C`` a line."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..core.errors import CatalogError
from .listing import SEPARATOR, category_levels

_LINE = re.compile(r"(\d+)\s+-\s+(\S.*)")


@cache
def read_taxonomy(path: Path) -> Mapping[str, str]:
    """Read a taxonomy's file: id -> category path, its levels tidied.

    Lines that are blank or begin with ``#`` don't count.

    Raises
    ------
    CatalogError
        If it can't be read, a line is none of a taxonomy, or one id or path stands there twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise CatalogError(
            f"{path} must be a taxonomy's file in UTF-8, but: {why}. Check --category-taxonomy."
        ) from error
    paths: dict[str, str] = {}
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        levels = category_levels(found[2]) if found else ()
        category = SEPARATOR.join(" ".join(level.split()) for level in levels)
        if not found or not category or found[1] in paths or category in seen:
            wrong = "stands there twice" if found and category else "isn't that"
            raise CatalogError(
                f"{path}: every line must be an id and its path, `ID - A > B`, each once, but line "
                f"{number}, {line.strip()[:80]!r}, {wrong}. Take the file that has ids."
            )
        paths[found[1]] = category
        seen.add(category)
    if not paths:
        raise CatalogError(f"{path} must have a line for each category, but has none.")
    return paths
