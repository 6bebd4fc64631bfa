"""Where a table's header is, and which separator it uses, by names that are known."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .column_names import recognised
from .delimited_lines import TAB, split_line

_LINES_LOOKED_AT = 20
_SEPARATORS = (",", ";", TAB, "|")


class Header(NamedTuple):
    """The place of the header among the rows, from 0, and its number of known fields."""

    place: int
    n_known: int


def find_header(rows: Sequence[Sequence[str]], named: Collection[str] = ()) -> Header:
    """Find the header among a table's first rows.

    Templates put lines of their own above it, such as a version, or labels for people. The header
    is the first row that names two fields of a listing or more; of such rows that follow each other
    the last that names no fewer, as labels stand above the names. Else it is the first row.

    Parameters
    ----------
    rows
        The first rows' cells.
    named
        Column names that the user gave; each counts as a field.
    """
    known = [_n_known(row, named) for row in rows]
    place = next((n for n, n_known in enumerate(known) if n_known >= 2), None)
    if place is None:
        return Header(0, known[0] if known else 0)
    while place + 1 < len(rows) and known[place + 1] >= known[place]:
        place += 1
    return Header(place, known[place])


def find_separator(
    lines: Sequence[str], usual: str, named: Collection[str] = ()
) -> tuple[str, int]:
    """Find the separator, and the header's place among lines, from 0.

    The separator is the one by which the header names the most fields, then the one that makes the
    most of them; where that says nothing, the one that is `usual` for the file.
    """
    first = list(lines[:_LINES_LOOKED_AT])
    places = [n for n, line in enumerate(first) if line.strip()]

    def evidence(separator: str) -> tuple[int, int, bool]:
        rows = [split_line(first[n], separator) for n in places]
        header = find_header(rows, named)
        n_columns = len(rows[header.place]) if rows else 0
        return header.n_known, n_columns if header.n_known else 0, separator == usual

    separator = max(_SEPARATORS, key=evidence)
    header = find_header([split_line(first[n], separator) for n in places], named)
    return separator, places[header.place] if places else 0


def _n_known(row: Sequence[str], named: Collection[str]) -> int:
    cells = [cell.strip() for cell in row if cell.strip()]
    fields = {recognised(cell) for cell in cells if cell not in named} - {None}
    return len(fields) + len({cell for cell in cells if cell in named})
