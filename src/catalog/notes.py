"""What the owner of a catalogue may not know of it, a sentence each."""

import re
from collections import defaultdict
from collections.abc import Iterable

from .categories import CategoryStyle
from .listing import category_levels
from .rows import ReadRow

_SHORTENED = re.compile(r"\d[.,]\d+E\+\d+")


class NotesTaker:
    """Watches rows go by, and says what was mended, what was lost before, and how categories read.

    It keeps no row, but every category once.
    """

    def __init__(self) -> None:
        self._n_mended = 0
        self._shortened: str | None = None
        self._categories: set[str] = set()

    def take(self, rows: Iterable[ReadRow]) -> "NotesTaker":
        """Go on with these rows."""
        for row in rows:
            own = row.listing
            self._n_mended += bool(row.mended)
            if self._shortened is None and _SHORTENED.fullmatch(own.listing_id):
                self._shortened = own.listing_id
            if own.category:
                self._categories.add(own.category)
        return self

    def notes(self, style: CategoryStyle) -> tuple[str, ...]:
        """Say it, a sentence each."""
        notes = []
        if self._n_mended:
            notes.append(f"text that was decoded wrongly is mended in {self._n_mended:,} rows")
        if self._shortened:
            notes.append(
                f"ids such as {self._shortened!r} were shortened by a spreadsheet program, so "
                "different listings may have the same; format that column as text before exporting"
            )
        return (*notes, *category_notes(self._categories, style))


def category_notes(categories: Iterable[str | None], style: CategoryStyle) -> list[str]:
    """Say what the owner of a catalogue with these paths may not know of them."""
    notes = []
    if style.separator:
        notes.append(f"categories are split at `{style.separator}`")
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for category in filter(None, categories):
        spellings[_key(category)].add(category)
    alike = sorted(sorted(names) for names in spellings.values() if len(names) > 1)
    if alike:
        more = f" and {len(alike) - 3} more" if len(alike) > 3 else ""
        shown = ", ".join(" / ".join(repr(name) for name in names) for names in alike[:3])
        notes.append(
            f"categories differ only in case, spaces or marks, and each is one of its own: "
            f"{shown}{more}"
        )
    return notes


def levels_warning(categories: Iterable[str | None], levels: int) -> str | None:
    """Say that cutting to so many levels changes nothing, where no category has that many."""
    found = {category for category in categories if category}
    deepest = max((len(category_levels(category)) for category in found), default=0)
    if not found or deepest >= levels:
        return None
    return (
        f"--levels {levels} has no effect: no category has more than {deepest} level"
        f"{'s' * (deepest > 1)}, such as {min(found)!r}. If a mark in it ends a level, pass that "
        "mark by --category-separator."
    )


def _key(category: str) -> str:
    """Reduce a path to what its spellings share: letters and digits of its levels."""
    return ">".join(re.sub(r"[\W_]", "", level.casefold()) for level in category_levels(category))
