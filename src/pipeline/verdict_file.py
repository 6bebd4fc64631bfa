"""Verdicts as a file: CSV, JSON Lines or Parquet, written as they come."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.config import problem_lines
from ..core.errors import CatalogError, ConfigError
from ..core.kinds import FileKind, table_with
from ..embedding.reading_ahead import batches
from .verdict import Verdict

SUFFIXES = (".csv", ".jsonl", ".parquet")
VERDICTS = FileKind(
    "a file of verdicts", table_with(("listing_id", "decision", "model_version", "row"))
)
_COLUMNS = (*Verdict.model_fields, "row", "title")
_NESTED = {"top_k", "sure_of", "views", "shift", "neighbours", "duplicates", "quality", "reasons"}
_NESTED |= {"further_photos"}
_ROWS_AT_ONCE = 1000

Record: TypeAlias = dict[str, Any]
Write: TypeAlias = Callable[[Sequence[Record]], None]


class JudgedRow(BaseModel):
    """A data row of a file (from 1), and what is known of it.

    Parameters
    ----------
    title
        The listing's; None for a row that couldn't be read, too.
    photo_problem
        Why its photo was left out as the row was read.
    """

    model_config = ConfigDict(frozen=True)

    row: int
    verdict: Verdict
    title: str | None = None
    photo_problem: str | None = None

    def record(self) -> Record:
        """Lay it out as it is written: the verdict's fields, the row and the title."""
        return {**self.verdict.model_dump(mode="json"), "row": self.row, "title": self.title}


def check_suffix(path: Path) -> None:
    """Raise a ConfigError for a format that verdicts aren't written in."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"Verdicts are written as {', '.join(SUFFIXES)}, but --out is {path}. Rename it."
        )


def read_rows(path: Path) -> list[JudgedRow]:
    """Read rows as `write_rows` wrote them; they are all in memory then.

    Raises
    ------
    CatalogError
        If it isn't a file of verdicts.
    """
    check_suffix(path)
    try:
        rows = [_parsed(record) for record in _READERS[path.suffix.lower()](path)]
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:200]
        why = problem_lines(error, "a row")[0][:200] if isinstance(error, ValidationError) else why
        raise CatalogError(
            f"{path} must be a file of verdicts, as `shelfsure predict` writes it, but: "
            f"{str(why).rstrip('.')}."
        ) from error
    if not rows:
        raise CatalogError(
            f"{path} must be a file of verdicts, as `shelfsure predict` writes it, but has no row."
        )
    return rows


def _parsed(record: Any) -> JudgedRow:
    """Take a table's row back: text that is JSON, and cells that are empty."""
    if not isinstance(record, dict):
        raise ValueError("a line isn't an object")  # noqa: TRY004 (the file's fault)
    values = {name: value for name, value in record.items() if value not in ("", None)}
    for name in _NESTED & values.keys():
        if isinstance(values[name], str):
            values[name] = json.loads(values[name])
    own = {name: values.pop(name) for name in ("row", "title") if name in values}
    return JudgedRow(verdict=Verdict(**{"listing_id": "", **values}), **own)


def _read_csv(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _read_jsonl(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _read_parquet(path: Path) -> Iterator[Record]:
    from pyarrow.parquet import ParquetFile

    for some in ParquetFile(path).iter_batches(_ROWS_AT_ONCE):
        yield from some.to_pylist()


_READERS = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}


def write_rows(path: Path, rows: Iterable[JudgedRow]) -> None:
    """Write rows one after the other; in CSV and Parquet nested fields are JSON."""
    check_suffix(path)
    with _WRITERS[path.suffix.lower()](path) as write:
        for some in batches(rows, _ROWS_AT_ONCE):
            write([row.record() for row in some])


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator=os.linesep)
        writer.writeheader()
        yield lambda records: writer.writerows(map(flat_record, records))


@contextmanager
def _jsonl(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda records: file.writelines(
            json.dumps(record, ensure_ascii=False) + "\n" for record in records
        )


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = {"probability": pa.float64(), "ood_p_value": pa.float64(), "row": pa.int64()}
    kinds |= {
        "audit": pa.bool_(),
        "mismatch": pa.bool_(),
        "n_examples": pa.int64(),
        "n_photos": pa.int64(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in _COLUMNS])
    with ParquetWriter(path, schema) as writer:

        def write(records: Sequence[Record]) -> None:
            writer.write_table(pa.Table.from_pylist([*map(flat_record, records)], schema))

        yield write


_WRITERS = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}


def flat_record(record: Mapping[str, Any]) -> Record:
    """Write what has parts as JSON, so that a verdict fits a table's row."""
    return {
        key: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for key, value in record.items()
    }
