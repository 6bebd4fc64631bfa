"""CSV, TSV and their like to rows; the separator and the header are found by their names."""

from collections.abc import Collection, Iterator
from pathlib import Path

from ..core.errors import CatalogError
from .delimited import Record, split_records
from .delimited_lines import TAB
from .file_lines import FileLines
from .header import find_separator
from .raw_rows import Row
from .text_files import is_packed


class DelimitedTable:
    """An opened CSV or TSV; see `split_records` for its quotes.

    Parameters
    ----------
    named
        Column names that the user gave.

    Raises
    ------
    CatalogError
        If the text can't be decoded, is empty, or its header's quotes don't match.
    """

    def __init__(
        self, path: Path, named: Collection[str] = (), encoding: str | None = None
    ) -> None:
        self._lines = FileLines(path, encoding)
        suffix = (path.with_suffix("") if is_packed(path) else path).suffix.lower()
        usual = TAB if suffix == ".tsv" else ","
        self._separator, place = find_separator(self._lines, usual, named)
        header = next(split_records(self._lines, self._separator, first_line=place + 1))
        if header.fields is None:
            raise CatalogError(
                f"{path}: the quotes of the header (line {header.line}) must match. Mend them."
            )
        self._first_line = header.last_line + 1
        self._line_read = header.last_line
        self.columns = tuple(name.strip() for name in header.fields)
        self.notes = _notes(self._separator, usual, header.line)

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1."""
        return self._line_read / len(self._lines)

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Read all data rows; empty lines don't count."""
        records = split_records(
            self._lines, self._separator, len(self.columns), first_line=self._first_line
        )
        places = [(place, name) for place, name in enumerate(self.columns) if name in wanted]
        next_line, first = self._first_line, self.columns[0]
        for record in records:
            if next_line < record.line:
                self._require_blank(next_line, record.line)
            self._line_read, next_line = record.last_line, record.last_line + 1
            fields = _trimmed(record.fields, len(self.columns))
            if fields is None:
                yield Row({}, _unbalanced(record))
            elif len(fields) != len(self.columns):
                yield Row({}, _wrong_number(record, len(fields), len(self.columns)))
            elif fields[0].strip() == first and tuple(map(str.strip, fields)) == self.columns:
                yield Row({}, f"header again: line {record.line} repeats the header")
            else:
                own = {name: fields[place] for place, name in places}
                yield Row(own, is_blank=not any(fields))
        self._require_blank(next_line, len(self._lines) + 1)

    def _require_blank(self, start: int, end: int) -> None:
        """Make sure that no line between two records is left out that holds anything."""
        lost = [line for line in self._lines[start - 1 : end - 1] if line.strip("\r\n")]
        if lost:
            raise RuntimeError(
                f"every line must be in a record, but line {start} or after ({lost[0][:80]!r}) is "
                "in none. This is a fault of Shelfsure's: please report it."
            )


def _trimmed(fields: list[str] | None, n_fields: int) -> list[str] | None:
    """Cut empty fields off that a row has beyond the header's, as some exports end each row."""
    if fields is None or len(fields) <= n_fields or any(fields[n_fields:]):
        return fields
    return fields[:n_fields]


def _unbalanced(record: Record) -> str:
    closed = (
        f", or close the one that swallows what follows, up to line {record.swallowed_to}"
        if record.swallowed_to
        else ""
    )
    return f"unbalanced quotes: line {record.line}; double the quotes inside a quoted field{closed}"


def _wrong_number(record: Record, n_fields: int, n_columns: int) -> str:
    return (
        f"wrong number of fields: {_lines(record)} {n_fields}, the header {n_columns}; "
        "quote fields that hold the separator or a line break"
    )


def _lines(record: Record) -> str:
    if record.line == record.last_line:
        return f"line {record.line} has"
    return f"lines {record.line} to {record.last_line} have"


def _notes(separator: str, usual: str, header_line: int) -> tuple[str, ...]:
    notes = []
    if separator != usual:
        names = {TAB: "tabs", ",": "`,`", ";": "`;`", "|": "`|`"}
        notes.append(f"fields end with {names[separator]}")
    if header_line > 1:
        notes.append(f"the header is line {header_line}; what stands above it is left out")
    return tuple(notes)
