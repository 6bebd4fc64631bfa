"""A catalogue file becomes rows of raw fields: CSV, TSV, JSON Lines or Parquet, chosen by suffix.

Nothing is guessed and no cell is reinterpreted: ``"007"``, ``"NA"`` and ``"null"`` stay text. A row
that can't be read is handed on with its defect, so that the rows around it survive.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import CatalogError
from .delimited import split_records


class Row(NamedTuple):
    """One data row: its wanted fields by column name, or why it can't be read."""

    fields: dict[str, Any]
    defect: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """All column names of a file in its own order, and its data rows."""

    columns: tuple[str, ...]
    rows: list[Row]


def read_table(path: Path, wanted: Collection[str]) -> Table:
    """Read a catalogue file, keeping only the `wanted` columns of each row.

    Raises
    ------
    CatalogError
        If the file isn't there, is empty, isn't UTF-8, isn't what its suffix says, or has a suffix
        that isn't known.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CatalogError(
            f"{path}: a catalogue must end in {', '.join(_READERS)}, but this ends in "
            f"{path.suffix or 'nothing'!r}. Convert it, or rename it if only the name is wrong."
        )
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise CatalogError(f"{path}: must be a file, but {what}. Check the path.")
    try:
        return reader(path, wanted)
    except OSError as error:
        raise CatalogError(
            f"{path}: can't be read ({error}). Check the file's permissions."
        ) from error


def read_delimited(path: Path, wanted: Collection[str], *, delimiter: str) -> Table:
    """Read CSV or TSV; both follow the quoting rules of RFC 4180, and blank lines don't count."""
    records = split_records(decode(path), delimiter)
    line, header = next(records, (0, []))
    if header is None:
        raise CatalogError(f"{path}: the quotes of the header (line {line}) must match. Mend them.")
    columns = tuple(name.strip() for name in header)
    places = [(place, name) for place, name in enumerate(columns) if name in wanted]
    rows = []
    for line, record in records:
        if record is None:
            row = Row(
                {}, f"unbalanced quotes: line {line}; double the quotes inside a quoted field"
            )
        elif len(record) != len(columns):
            row = Row(
                {},
                f"wrong number of fields: line {line} has {len(record)}, the header "
                f"{len(columns)}; quote fields that hold the separator or a line break",
            )
        else:
            row = Row({name: record[place] for place, name in places})
        rows.append(row)
    return Table(columns, rows)


def read_json_lines(path: Path, wanted: Collection[str]) -> Table:
    """Read one JSON object a line; a key that a line lacks counts as missing there."""
    columns: dict[str, None] = {}
    rows = []
    # Only "\n" ends a line: JSON strings may hold U+2028 and its like, which splitlines would cut.
    for line, text in enumerate(decode(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            item = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            rows.append(Row({}, f"not JSON: line {line}: {getattr(error, 'msg', error)}"))
            continue
        if isinstance(item, dict):
            columns.update(dict.fromkeys(item))
            rows.append(Row({name: item[name] for name in wanted if name in item}))
        else:
            rows.append(Row({}, f"not a JSON object: line {line} is a {type(item).__name__}"))
    if rows and all(row.defect for row in rows):
        raise CatalogError(
            f"{path}: each line must be one JSON object, but none is ({rows[0].defect}). "
            "Turn an array into lines with: jq -c '.[]'"
        )
    return Table(tuple(columns), rows)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        raise ValueError("a key appears twice")
    return item


def read_parquet(path: Path, wanted: Collection[str]) -> Table:
    """Read the wanted columns of one Parquet file."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            columns = tuple(file.schema_arrow.names)
            table = file.read(columns=[name for name in dict.fromkeys(columns) if name in wanted])
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(
            f"{path}: must be a Parquet file, but can't be read as one ({error}). Write it anew."
        ) from error
    names = table.schema.names
    values = [_column_values(column, pa.large_binary()) for column in table.columns]
    rows = [Row(dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]
    return Table(columns, rows or [Row({}) for _ in range(file.metadata.num_rows)])


def _column_values(column: Any, binary: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:  # Parquet doesn't check its text: find the rows that are broken
        values = column.cast(binary).to_pylist()
        for place, value in enumerate(values):
            if value is not None and _is_utf8(value):
                values[place] = value.decode()
    return values


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


_READERS: dict[str, Callable[[Path, Collection[str]], Table]] = {
    ".csv": partial(read_delimited, delimiter=","),
    ".tsv": partial(read_delimited, delimiter="\t"),
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
}


def decode(path: Path) -> str:
    """Read a text file that must be UTF-8, with or without a byte order mark.

    Raises
    ------
    CatalogError
        If the file is empty or in another encoding; the message says where and how to convert it.
    """
    data = path.read_bytes()
    convert = f"Convert it: iconv -f {{}} -t UTF-8 {path.name} > utf8{path.suffix}"
    # A zero at every other byte of a header's letters is UTF-16, even where no mark says so.
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:16].count(0) * 4 > len(data[:16]):
        raise CatalogError(
            f"{path}: must be UTF-8, but looks like UTF-16. {convert.format('UTF-16')}"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CatalogError(
            f"{path}: must be UTF-8, but byte {error.start} (line {line}) is "
            f"0x{data[error.start]:02x}. If it was saved as Latin-1 or Windows-1252: "
            f"{convert.format('WINDOWS-1252')}"
        ) from error
    if not text.strip():
        raise CatalogError(f"{path}: must hold a header and rows, but is empty. Export it again.")
    return text
