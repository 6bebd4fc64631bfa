"""A catalogue file becomes rows of raw fields, whatever its format, which the suffix names.

No cell is reinterpreted: ``"007"``, ``"NA"`` and ``"null"`` stay text. A row that can't be read is
handed on with its defect, so that the rows around it survive.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from ..core.errors import CatalogError
from .delimited_table import DelimitedTable
from .json_table import JsonTable
from .parquet_table import ParquetTable
from .parts import FolderTable
from .photo_listings import SUFFIXES, PhotoTable
from .raw_rows import TableSource
from .spreadsheet_table import SpreadsheetTable
from .text_files import is_packed


def open_table(
    path: Path, *, named: Collection[str] = (), encoding: str | None = None
) -> TableSource:
    """Open a catalogue file, a folder of parts that are read one after the other, or of photos.

    Parameters
    ----------
    named
        Column names that the user gave: the header is where they are.
    encoding
        Of a text file; None: UTF-8, or UTF-16 with its mark.

    Raises
    ------
    CatalogError
        If the file isn't there, is empty, isn't what its suffix says, or has a suffix that isn't
        known.
    """
    try:
        if path.is_dir():
            if _holds_only_photos(path):
                return PhotoTable(path)
            return FolderTable(path, _SUFFIXES, partial(open_table, named=named, encoding=encoding))
        if not path.is_file():
            raise CatalogError(
                f"{path}: must be a file, but there is no such file. Check the path."
            )
        return _reader(path)(path, named, encoding)
    except OSError as error:
        raise CatalogError(
            f"{path}: can't be read ({error}). Check the file's permissions."
        ) from error


def _holds_only_photos(folder: Path) -> bool:
    """Tell a folder of photos from one of a table's parts, which may have photos beside them."""
    names = [file.name.lower() for file in folder.rglob("*") if file.is_file()]
    return not any(name.endswith(_SUFFIXES) for name in names) and any(
        name.endswith(tuple(SUFFIXES)) for name in names
    )


def _reader(path: Path) -> Callable[[Path, Collection[str], str | None], TableSource]:
    plain = path.with_suffix("") if is_packed(path) else path
    reader = _READERS.get(plain.suffix.lower())
    if reader is None or (is_packed(path) and reader not in _PACKABLE):
        raise CatalogError(
            f"{path}: a catalogue must end in {', '.join(_READERS)}, or in .csv.gz and its like, "
            f"but this ends in {path.suffix or 'nothing'!r}. Convert it, or rename it if only the "
            "name is wrong."
        )
    return reader


_READERS: dict[str, Callable[[Path, Collection[str], str | None], TableSource]] = {
    ".csv": DelimitedTable,
    ".tsv": DelimitedTable,
    ".txt": DelimitedTable,
    ".jsonl": JsonTable,
    ".ndjson": JsonTable,
    ".json": JsonTable,
    ".parquet": ParquetTable,
    ".xlsx": SpreadsheetTable,
    ".xls": SpreadsheetTable,
    ".ods": SpreadsheetTable,
}
_PACKABLE = (DelimitedTable, JsonTable)
_SUFFIXES = (*_READERS, *(f"{suffix}.gz" for suffix, r in _READERS.items() if r in _PACKABLE))
