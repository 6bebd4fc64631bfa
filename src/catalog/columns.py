"""Which column of a file holds which field, and what to say where one is missing."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .column_names import (
    USUAL_NAMES,
    holds_all_images,
    holds_more_images,
    looks_like_images,
    name_key,
    rank,
)
from .listing import FIELDS, MORE_IMAGES, SEPARATOR
from .raw_rows import Row
from .values import RowError, as_text

Named = Mapping[str, str | Sequence[str]]
"""Field -> the column that holds it; several for a category whose levels are columns, and for
further photos."""


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """What was taken for what.

    Parameters
    ----------
    columns
        Field -> the file's columns, for every field that the file has; several only for a category
        whose levels are columns, the highest first, and for further photos.
    problems
        What is wrong, one sentence or more each; empty where nothing is.
    repeated
        Columns that appear more than once.
    may_be_images
        Where no column was taken for photos: those whose names let it seem so.
    """

    columns: dict[str, tuple[str, ...]]
    problems: tuple[str, ...]
    repeated: tuple[str, ...] = ()
    may_be_images: tuple[str, ...] = ()

    @property
    def wanted(self) -> set[str]:
        """The columns to read; none that appears twice, as it can't be told which is meant."""
        return set().union(*self.columns.values()) - set(self.repeated)

    def by_field(self, row: Row) -> Row:
        """Name a row's values by field instead of by column."""
        if row.defect:
            return row
        own = row.fields
        return Row({field: _value(field, names, own) for field, names in self.columns.items()})

    def described(self) -> str:
        """Say which columns were taken for what, and which fields have none, in one line."""
        said = [
            field
            if names == (field,)
            else f"{field} from {(' + ' if field == MORE_IMAGES else ' > ').join(names)}"
            for field, names in self.columns.items()
        ]
        without = [field for field in FIELDS if field not in self.columns and field != "group"]
        text = ", ".join(said) + (f"; none for {', '.join(without)}" if without else "")
        asked = " or ".join(f"--image-column {_quoted(name)}" for name in self.may_be_images[:3])
        return f"{text}. No photo is read: if a column holds them, pass {asked}" if asked else text


def match_columns(found: Sequence[str], named: Named, *, need_category: bool) -> ColumnMatch:
    """Match the fields of a listing to a file's columns.

    A column of the field's own name is taken; else one that only spells it otherwise; else one of
    the usual names in shops' exports, the surest first. Where two are equally sure, it is asked; of
    further photos all columns are taken.

    Parameters
    ----------
    found
        The file's column names.
    named
        Field -> column name, or several that make a category's path.
    need_category
        Whether the category must have a column.
    """
    matched: dict[str, tuple[str, ...]] = {}
    problems = []
    taken = {_spelled(name, found) for name in named_columns(named)}
    for field in (*FIELDS, MORE_IMAGES):
        if field in named:
            names = tuple(_spelled(name, found) for name in _several(named[field]))
            problems += [
                f"column `{name}`, named by {option(field)}, is missing. {_found(found)}"
                for name in names
                if name not in found
            ]
            if set(names) <= set(found):
                matched[field] = names
            continue
        if field == MORE_IMAGES:
            further = _further([name for name in found if name not in taken], matched)
            matched |= {field: further} if further else {}
            continue
        fitting = _fitting(field, [name for name in found if name not in taken])
        if len(fitting) > 1:
            problems.append(
                f"columns {' and '.join(f'`{name}`' for name in fitting)} fit {field} equally. "
                f"Say which it is: {option(field)} {_quoted(fitting[0])}, or rename the others."
            )
        if fitting:
            matched[field] = (fitting[0],)
    counts = Counter(found)
    problems += [
        f"column `{name}` must appear once, but appears {counts[name]} times. Rename or drop the "
        "others."
        for names in matched.values()
        for name in names
        if counts[name] > 1
    ]
    absent = [field for field in FIELDS if field not in matched and field not in named]
    if "image" in absent and MORE_IMAGES in matched:
        absent.remove("image")
    problems += _absences(absent, found, need_category=need_category)
    repeated = tuple(name for name, count in counts.items() if count > 1)
    has_photos = "image" in matched or MORE_IMAGES in matched
    unread = tuple(name for name in found if name and looks_like_images(name))
    return ColumnMatch(matched, tuple(problems), repeated, () if has_photos else unread)


def named_columns(named: Named) -> set[str]:
    """Give all columns that are named for a field."""
    return {name for names in named.values() for name in _several(names)}


def _value(field: str, names: Sequence[str], own: Mapping[str, Any]) -> Any:
    values = [own.get(name) for name in names]
    if field == MORE_IMAGES:
        return values
    return values[0] if len(names) == 1 else _joined(values)


def _further(found: Sequence[str], matched: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Give the columns of further photos, in the file's order."""
    taken = {name for names in matched.values() for name in names}
    rest = [name for name in found if name not in taken]
    has_main = "image" in matched
    return tuple(x for x in rest if holds_more_images(x) or (has_main and holds_all_images(x)))


def _joined(levels: list[Any]) -> Any:
    """Make one path of a category's levels; where one is no text, the row is to say so."""
    try:
        texts = [as_text("category", level) for level in levels]
    except RowError:
        return levels
    return SEPARATOR.join(text for text in texts if text)


def _fitting(field: str, found: Sequence[str]) -> list[str]:
    """Give the columns that fit a field best; more than one where they fit equally."""
    ranks = {name: rank(field, name) for name in found if name}
    known = {name: place for name, place in ranks.items() if place is not None}
    return [name for name, place in known.items() if place == min(known.values())]


def _absences(absent: Sequence[str], found: Sequence[str], *, need_category: bool) -> list[str]:
    problems = [
        f"column `{field}` is missing. {_found(found)} "
        f"Rename it, or pass {option(field)} {suggest(field, found)}."
        for field in absent
        if field == "listing_id" or (field == "category" and need_category)
    ]
    if "image" in absent and "title" in absent:
        problems.append(
            f"column `image` is missing, and `title` too: one of them must be there. "
            f"{_found(found)} Rename it, or pass {option('image')} {suggest('image', found)} "
            f"or {option('title')} {suggest('title', found)}."
        )
    return problems


def option(field: str) -> str:
    """Name the command-line option that says which column holds `field`."""
    return f"--{field.replace('_', '-')}-column"


def suggest(field: str, found: Sequence[str]) -> str:
    """Pick the column that most likely holds `field`, as a shell takes it; ``NAME`` if none is."""
    by_key = {name_key(name): name for name in found if name}
    candidates = [
        name_key(field),
        *(name for names in USUAL_NAMES[field] for name in sorted(names)),
    ]
    close = [difflib.get_close_matches(name, by_key, n=1, cutoff=0.75) for name in candidates]
    keys = [name for name in candidates if name in by_key] + [key for keys in close for key in keys]
    return _quoted(by_key[keys[0]]) if keys else "NAME"


def _spelled(name: str, found: Sequence[str]) -> str:
    """Give the column that a user means, who may spell it otherwise than the file."""
    alike = [other for other in found if name_key(other) == name_key(name)]
    return alike[0] if name not in found and len(alike) == 1 else name


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _quoted(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isalnum() else f'"{name}"'


def _found(found: Sequence[str]) -> str:
    names = [name for name in found if name]
    text = f"Found: {', '.join(names) or 'none'}."
    if len(found) == 1 and any(mark in found[0] for mark in ";\t|,"):
        text += " That looks like another separator: fields end with `,`, `;`, `|` or a tab."
    return text
