"""Parquet to rows: what one value can't be as a Python object costs its own row only."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from ..core.errors import CatalogError
from .raw_rows import Row, Unreadable

_BATCH_ROWS = 256


class ParquetTable:
    """One opened Parquet file; category numbers of a Hugging Face data set become names.

    Raises
    ------
    CatalogError
        If it can't be read as Parquet.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self, path: Path, named: Collection[str] = (), encoding: str | None = None
    ) -> None:
        del named, encoding  # Parquet knows its columns, and its text is UTF-8
        from pyarrow.parquet import ParquetFile

        self._path = path
        with _as_catalog_error(path), ParquetFile(path) as file:
            schema = file.schema_arrow
            self._n_rows = int(file.metadata.num_rows)
        self._n_read = 0
        self.columns = tuple(schema.names)
        self._class_names = _class_names(schema.metadata or {})

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1."""
        return self._n_read / max(1, self._n_rows)

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Read the wanted columns; a value that can't be read is `Unreadable`."""
        names = [name for name in dict.fromkeys(self.columns) if name in wanted]
        self._n_read = 0
        if not names:
            yield from (Row({}) for _ in range(self._n_rows))
        for table in self._tables(names):
            self._n_read += table.num_rows
            columns = [self._objects(name, table.column(name)) for name in names]
            for row in zip(*columns, strict=True):
                yield Row(dict(zip(names, row, strict=True)))

    def _tables(self, names: list[str]) -> Iterator[Any]:
        """Read some rows at a time: a row may hold a photo."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        with _as_catalog_error(self._path), ParquetFile(self._path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=names) if names else ():
                yield pa.Table.from_batches([batch])

    def _objects(self, name: str, column: Any) -> list[Any]:
        values = column_values(column)
        if _holds_uuids(column.type):
            return [UUID(bytes=value) if isinstance(value, bytes) else value for value in values]
        return _named(values, self._class_names.get(name))


@contextmanager
def _as_catalog_error(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(
            f"{path}: must be a Parquet file, but can't be read as one ({error}). Write it anew."
        ) from error


def _holds_uuids(kind: Any) -> bool:
    """Say whether a column is of 16 bytes a value, as UUIDs are stored."""
    import pyarrow as pa

    return bool(pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16)


def column_values(column: Any) -> list[Any]:
    """Turn a column into Python objects, one by one where not all of them can be."""
    column = _as_storage(column)
    try:
        values: list[Any] = column.to_pylist()
    except Exception:  # noqa: BLE001 - dates out of range, zones unknown, broken text: many kinds
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:  # Parquet doesn't check its text
        try:
            return scalar.as_buffer().to_pybytes()
        except AttributeError:
            return Unreadable("it holds text that isn't UTF-8")
    except Exception as error:  # noqa: BLE001 - of pyarrow, pandas or a zone's reader
        return Unreadable(f"{type(error).__name__}: {error}")


def _as_storage(column: Any) -> Any:
    """Look through extension types that Arrow doesn't know, to what they are stored as."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType) and not isinstance(column.type, pa.UuidType):
        return pa.chunked_array(
            [chunk.storage for chunk in column.chunks], column.type.storage_type
        )
    return column


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Read which numbers stand for which names, where a Hugging Face data set says so."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            name: [str(label) for label in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError):
        return {}


def _named(values: list[Any], names: list[str] | None) -> list[Any]:
    if not names:
        return values
    return [
        names[value] if isinstance(value, int) and 0 <= value < len(names) else value
        for value in values
    ]
