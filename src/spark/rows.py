"""Rows of a DataFrame to listings: the rules of catalogue files, one row at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.catalog import Catalog
from ..catalog.categories import CategoryStyle
from ..catalog.columns import ColumnMatch, Named, match_columns
from ..catalog.parquet_table import column_values
from ..catalog.photo_paths import PhotoFolder
from ..catalog.raw_rows import Row
from ..catalog.row_checker import RejectedRow, printable_id
from ..catalog.rows import OnPhotoError, RowReader
from ..catalog.values import RowError
from ..core.errors import CatalogError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

NOWHERE = "photo not found: there is a path only, and no image root to read it from"


@dataclass(frozen=True)
class RowOptions:
    """How a DataFrame's rows are read.

    Parameters
    ----------
    columns
        Field -> column, where it is none of the usual names; see `read_catalog`.
    image_root
        Folder of the photos that rows name by path, the same on every worker. None: photos are
        bytes, and a row with a path is rejected.
    on_photo_error
        Whether a listing with a title whose photo can't be used is rejected or goes by its title.
    need_category
        Whether a row without a category is rejected.
    """

    columns: Named = field(default_factory=dict)
    image_root: str | None = None
    on_photo_error: OnPhotoError = "reject"
    need_category: bool = False


@dataclass(frozen=True)
class TableReader:
    """Makes listings of a DataFrame's rows, on a worker; `reader_of` makes one on the driver."""

    match: ColumnMatch
    options: RowOptions
    style: CategoryStyle

    def catalog(self, table: "pa.Table") -> Catalog:
        """Read a block of rows; each is kept or rejected by itself, numbered from 1.

        Rows of one id are all kept: who else has it is known to the whole DataFrame only.
        """
        reader = self._row_reader()
        names = [name for name in table.column_names if name in self.match.wanted]
        columns = [column_values(table.column(name)) for name in names]
        rows = zip(*columns, strict=True) if columns else iter(())
        kept, rejected = [], []
        for number, values in enumerate(rows, start=1):
            raw = self.match.by_field(Row(dict(zip(names, values, strict=True))))
            try:
                kept.append((number, reader.read(raw.fields)))
            except RowError as error:
                listing_id = printable_id(raw.fields.get("listing_id"))
                rejected.append(RejectedRow(number, listing_id, str(error)))
        return Catalog(
            listings=tuple(row.listing for _, row in kept),
            rows=tuple(number for number, _ in kept),
            rejected=tuple(rejected),
            on_photo_error=self.options.on_photo_error,
            photo_problems={n: row.photo_problem for n, row in kept if row.photo_problem},
        )

    def _row_reader(self) -> RowReader:
        options, root = self.options, self.options.image_root
        folder = PhotoFolder(Path(root).resolve()) if root else PhotoFolder(None, _nowhere)
        return RowReader(folder, options.need_category, options.on_photo_error, self.style)


def reader_of(
    df: "DataFrame", options: RowOptions, style: CategoryStyle | None = None
) -> TableReader:
    """Match a DataFrame's columns to a listing's fields; nothing is computed.

    Raises
    ------
    CatalogError
        If a column is missing, or two fit equally.
    """
    match = match_columns(df.columns, options.columns, need_category=options.need_category)
    if match.problems:
        raise CatalogError("\n".join(f"DataFrame: {problem}" for problem in match.problems))
    return TableReader(match, options, style or CategoryStyle())


def wanted_columns(df: "DataFrame", reader: TableReader, keep: Sequence[str]) -> "DataFrame":
    """Leave all columns out that nobody asks for, before they go to Python.

    Raises
    ------
    CatalogError
        If a column to keep isn't there.
    """
    missing = [name for name in keep if name not in df.columns]
    if missing:
        raise CatalogError(
            f"DataFrame: columns to keep must be there, but {', '.join(missing)} isn't. Found: "
            f"{', '.join(df.columns)}."
        )
    names = [name for name in df.columns if name in reader.match.wanted or name in keep]
    return df.select(*(f"`{name}`" for name in names))


def _nowhere(place: str) -> str:
    raise RowError(f"{NOWHERE}; got {place[:80]!r}")


def category_style(df: "DataFrame", reader: TableReader, most: int = 100_000) -> CategoryStyle:
    """Learn from a DataFrame's distinct categories how they are written."""
    names = reader.match.columns.get("category", ())
    if not names:
        return CategoryStyle()
    rows = df.select(*(f"`{name}`" for name in names)).distinct().limit(most).collect()
    values: list[Any] = [
        reader.match.by_field(Row(row.asDict(recursive=True))).fields.get("category")
        for row in rows
    ]
    return CategoryStyle.of(sorted(values, key=str))
