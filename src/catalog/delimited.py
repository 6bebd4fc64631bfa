"""Delimited text to records and back: RFC 4180, and how it is broken in the wild."""

import csv
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..core.files import atomic_path
from .delimited_lines import TAB, are_rows, holds_row, split_line

_ESCAPED_QUOTE = re.compile(r'\\"')
_FIELD_LIMIT_LOCK = threading.Lock()
_LONGEST_FIELD = 1 << 26
"""In characters: csv keeps four bytes for each, and a stray quote makes a field of what follows."""


class Record(NamedTuple):
    """Some lines of a file: its fields, or ``None`` where the quotes don't tell which these are.

    Parameters
    ----------
    line, last_line
        From 1, both included.
    swallowed_to
        Where there are no fields: the line in which the quote opened here is closed; 0 for none.
    """

    line: int
    last_line: int
    fields: list[str] | None
    swallowed_to: int = 0


def split_records(
    lines: Sequence[str], delimiter: str, n_fields: int | None = None, *, first_line: int = 1
) -> Iterator[Record]:
    r"""Yield the records in a text's lines; only blank lines are in none.

    An open quote would swallow the lines up to the next quote, with all the rows in them. So a
    record whose quotes don't match, or whose lines are each a whole record when taken alone, is
    given up after its first line, and reading goes on with the next one. A tab ends a field more
    surely than a quote: between tabs a quote quotes only if it is closed at its field's end, else
    it is a letter like others (``15" laptop``). A quote escaped as ``\"`` is read where doubled
    quotes lead to nothing, as engines write that escape with backslashes.

    Parameters
    ----------
    lines
        With their ends; nothing but CR and LF ends one.
    n_fields
        How many a record should have; ``None`` takes the first record's number.
    first_line
        The line, from 1, to begin with.
    """
    place = first_line - 1
    reader, feed = _reader(lines, place, delimiter)
    while place < len(lines):
        fields: list[str] | None
        try:
            fields = next(reader)
        except csv.Error:  # quotes that don't match, or a field too long for csv
            reader, feed = _reader(lines, place, delimiter)
            fields = _next(reader)
        if fields == []:
            place = feed.position
            continue
        record = Record(place + 1, feed.position, fields)
        n_fields = n_fields or len(fields or lines[place].split(delimiter))
        if _is_doubtful(record, lines[place], delimiter, n_fields):
            record = _resolve(record, lines, delimiter, n_fields)
            place = record.last_line
            reader, feed = _reader(lines, place, delimiter)
        place = record.last_line
        yield record


def _is_doubtful(record: Record, line: str, delimiter: str, n_fields: int) -> bool:
    fields, n_lines = record.fields, record.last_line - record.line + 1
    if fields is None or n_lines > 1:
        return True
    return '"' in line and (len(fields) != n_fields or delimiter == TAB)


def _resolve(record: Record, lines: Sequence[str], delimiter: str, n_fields: int) -> Record:
    """Read a record anew that plain rules can't read, or that may have swallowed others."""
    start, first = record.line - 1, lines[record.line - 1]
    own = lines[start : record.last_line]
    swallowed = holds_row(own, delimiter, n_fields)
    if record.fields is not None and len(record.fields) == n_fields:
        if not are_rows(own, delimiter, n_fields):
            return record
        swallowed = True
    if _ESCAPED_QUOTE.search(first):
        escaped = _read_escaped(record, lines, delimiter, n_fields)
        if escaped is not None:
            return escaped
    if delimiter == TAB:
        alone = split_line(first, delimiter)
        plain = first.rstrip("\r\n").split(delimiter)
        best = next((fields for fields in (alone, plain) if len(fields) == n_fields), alone)
        if len(best) == n_fields or record.fields is None or swallowed:
            return Record(record.line, record.line, best)
        return record
    if record.fields is None or swallowed:
        return Record(record.line, record.line, None, record.last_line if swallowed else 0)
    return record


def _read_escaped(
    record: Record, lines: Sequence[str], delimiter: str, n_fields: int
) -> Record | None:
    doubled = (_ESCAPED_QUOTE.sub('""', lines[n]) for n in range(record.line - 1, len(lines)))
    feed = _Feed(doubled, 0)
    fields = _next(csv.reader(feed, delimiter=delimiter, strict=True))
    if fields is None or len(fields) != n_fields:
        return None
    last = record.line - 1 + feed.position
    own = lines[record.line - 1 : last]
    if are_rows(own, delimiter, n_fields):
        return None
    return Record(record.line, last, fields)


class _Feed:
    """Lines for csv's reader, which counts how many it has taken."""

    def __init__(self, lines: Iterable[str], position: int) -> None:
        self._lines = iter(lines)
        self.position = position

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.position += 1
        return line


def _reader(lines: Sequence[str], place: int, delimiter: str) -> tuple[Iterator[list[str]], _Feed]:
    feed = _Feed((lines[n] for n in range(place, len(lines))), place)
    return csv.reader(feed, delimiter=delimiter, strict=True), feed


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """Give the next record's fields, none for a blank line; None where quotes don't match."""
    try:
        with _long_fields():
            return next(reader)
    except csv.Error:
        return None


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lift csv's limit of 128 KiB a field; it belongs to the process, so it is put back."""
    with _FIELD_LIMIT_LOCK:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in one step, in UTF-8; ``None`` becomes an empty field."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # ends lines with "\r\n": only so does csv quote a lone "\r"
        writer.writerow(header)
        writer.writerows(rows)
