"""Category strings, as shops write them, to paths: ``Kitchen > Mugs``."""

import ast
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .listing import SEPARATOR, category_levels
from .values import RowError, as_text, is_missing

_ARROW = re.compile(r"\s*(?:[-=–—]*>+|›|»|→|⇒)\s*")
_WHOLE = re.compile(r"(-?\d+)\.0+")
_BETWEEN = ",;|"
_ROOTS = frozenset({"default category", "root catalog"})
"""What Magento puts above all categories."""
_SLASHES = ("/", "|", "::", "\\")
_SHARE = 0.5
"""Of the categories that a separator must be in to be one."""


@dataclass(frozen=True, slots=True)
class CategoryStyle:
    """How a file writes its categories, as far as its own categories tell.

    Parameters
    ----------
    separator
        What ends a level besides ``>`` and other arrows; None: nothing does.
    tops
        All first levels, and `paths` all whole paths, of categories that are one path for sure.
    """

    separator: str | None = None
    tops: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, values: Iterable[Any], separator: str | None = None) -> "CategoryStyle":
        """Learn the style of a file's categories; a given `separator` is taken as it is."""
        firsts = (text for value in values for text in _first_text(value))
        texts = list(dict.fromkeys(firsts))
        separator = separator or _separator(texts)
        style = cls(separator)
        parts = [_parted(text, separator) for text in texts]
        first = [style.levels(several[0]) for several in parts if several]
        single = [style.levels(several[0]) for several in parts if len(several) == 1]
        return cls(
            separator,
            tops=frozenset(levels[0] for levels in first if len(levels) > 1)
            | frozenset(levels[0] for levels in single if levels),
            paths=frozenset(SEPARATOR.join(levels) for levels in single),
        )

    def path(self, value: Any) -> str | None:
        """Give the first path that a category's value holds, its levels tidied; None for none.

        Entities are resolved, ``201.0`` is ``201``, and what a shop system puts above all
        categories is dropped. A comma parts two paths only where both are paths by themselves.

        Raises
        ------
        RowError
            If the value is no text.
        """
        texts = _texts(value)
        return _first_path(self, texts[0]) if texts else None

    def levels(self, text: str) -> tuple[str, ...]:
        """Split one path into its levels, tidied."""
        plain = _ARROW.sub(SEPARATOR, text)
        if self.separator:
            plain = SEPARATOR.join(plain.split(self.separator))
        return tuple(_tidy(level) for level in category_levels(plain))

    def are_paths(self, parts: Sequence[str]) -> bool:
        """Say whether parts of a value are paths each, rather than one name with commas."""
        split = [self.levels(part) for part in parts]
        if not all(split):
            return False
        if any(len(levels) > 1 for levels in split):
            known = all(levels[0] in self.tops for levels in split)
            alone = SEPARATOR.join(split[0]) in self.paths
            whole = all(len(levels) > 1 or levels[0] in self.tops for levels in split)
            return known or (alone and whole)
        return all(levels[0] in self.paths for levels in split)


@lru_cache(maxsize=65_536)
def _first_path(style: CategoryStyle, text: str) -> str | None:
    parts = _parted(text, style.separator)
    levels = style.levels(parts[0] if len(parts) > 1 and style.are_paths(parts) else text)
    if levels and levels[0].casefold() in _ROOTS:
        levels = levels[1:]
    return SEPARATOR.join(levels) or None


def _texts(value: Any) -> list[str]:
    """Give the paths in a value: one text, a list of them, or such a list as JSON or Python."""
    if isinstance(value, str):
        return _listed(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        texts = [text for one in value if not is_missing(one) if (text := as_text("category", one))]
        names = all(not _ARROW.search(text) for text in texts) and len(texts) > 1
        return [SEPARATOR.join(texts)] if names else [text for one in texts for text in _texts(one)]
    text = as_text("category", value)
    return [] if text is None else _listed(text)


@lru_cache(maxsize=65_536)  # a catalogue repeats its categories
def _listed(written: str) -> list[str]:
    text = as_text("category", written)
    if text is None:
        return []
    text = html.unescape(html.unescape(text)).strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            listed = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return [text]
        return _texts(listed) if all(isinstance(one, str) for one in listed) else [text]
    return [text]


def _first_text(value: Any) -> list[str]:
    """Give a value's first path; none of a value that its own row is rejected for."""
    try:
        return _texts(value)[:1]
    except RowError:
        return []


def _separator(texts: Sequence[str]) -> str | None:
    """Find the mark that makes a tree of categories, where no arrow does.

    At least half of the categories hold it, and some first level is that of several of them.
    """
    if sum(bool(_ARROW.search(text)) for text in texts) * 10 >= len(texts):
        return None
    for mark in _SLASHES:
        distinct = {part for text in texts for part in _parted(text, mark)}
        held = [text for text in distinct if mark in text]
        tops = {text.split(mark)[0].strip() for text in distinct}
        if len(held) >= _SHARE * len(distinct) and len(tops) < len(distinct):
            return mark
    return None


def _parted(text: str, separator: str | None) -> list[str]:
    """Split at the marks that may stand between two paths."""
    marks = "".join(mark for mark in _BETWEEN if mark != separator)
    return [part for part in re.split(rf"\s*[{marks}]\s*", text) if part]


def _tidy(level: str) -> str:
    plain = " ".join(level.split())
    whole = _WHOLE.fullmatch(plain)
    return whole[1] if whole else plain
