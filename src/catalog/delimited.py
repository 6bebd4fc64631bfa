"""Delimited text to records and back, by the quoting rules of RFC 4180."""

import csv
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.files import atomic_path

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FIELD_LIMIT_LOCK = threading.Lock()


def split_records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each record's first line (from 1) and its fields; ``None`` where quotes don't match.

    An open quote would swallow the rest of the file. So a record whose quotes don't match is given
    up after its first line, and reading goes on with the next one.
    """
    lines = _LINE.findall(text)
    position = 0

    def feed() -> Iterator[str]:
        nonlocal position
        while position < len(lines):
            position += 1
            yield lines[position - 1]

    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while True:
        start = position
        try:
            with _long_fields():
                record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            position = start + 1
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
            yield position, None
        else:
            if record:
                yield start + 1, record


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lift csv's limit of 128 KiB a field; the limit belongs to the process, so it is put back."""
    with _FIELD_LIMIT_LOCK:
        before = csv.field_size_limit(2**31 - 1)
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
