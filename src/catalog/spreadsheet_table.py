"""Excel and OpenDocument sheets to rows: the first sheet that holds anything."""

import datetime as dt
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import CatalogError
from ..core.extras import require_extra
from .header import find_header
from .raw_rows import Row

_ROWS_LOOKED_AT = 20


class SpreadsheetTable:
    """One opened spreadsheet; numbers come as what they are, so ``1001`` isn't ``1001.0``.

    Raises
    ------
    CatalogError
        If it can't be read, or no sheet holds anything.
    MissingExtraError
        If the package that reads it isn't installed.
    """

    def __init__(
        self, path: Path, named: Collection[str] = (), encoding: str | None = None
    ) -> None:
        del encoding  # a spreadsheet knows its own
        require_extra("excel", f"Reading {path.suffix}")
        sheet, cells, others = _first_sheet(path)
        top = [[str(cell) for cell in row] for row in cells[:_ROWS_LOOKED_AT]]
        place = find_header(top, named).place
        self.columns = tuple(str(cell).strip() for cell in cells[place])
        self._cells = cells[place + 1 :]
        self._n_read = 0
        notes = [f"sheet {sheet!r} is read, {others} aren't"] if others else []
        if place:
            notes.append(f"the header is row {place + 1}; what stands above it is left out")
        self.notes = tuple(notes)

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1."""
        return self._n_read / max(1, len(self._cells))

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Give all rows."""
        places = [(place, name) for place, name in enumerate(self.columns) if name in wanted]
        for n_read, cells in enumerate(self._cells, start=1):
            self._n_read = n_read
            own = {name: cells[place] for place, name in places}
            yield Row(own, is_blank=not any(map(str, cells)))


def _first_sheet(path: Path) -> tuple[str, list[list[Any]], str]:
    """Give the first sheet that holds anything: its name, its cells, and the others' names."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_path(path) as book:
            for name in book.sheet_names:
                rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
                if rows:
                    others = [repr(other) for other in book.sheet_names if other != name]
                    return name, [[_plain(cell) for cell in row] for row in rows], ", ".join(others)
    except (CalamineError, OSError) as error:
        raise CatalogError(
            f"{path}: must be a spreadsheet, but can't be read as one ({error}). Save it anew."
        ) from error
    raise CatalogError(f"{path}: must hold a header and rows, but is empty. Export it again.")


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else cell
