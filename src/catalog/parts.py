"""A folder of parts, as Spark and its like write one table: read one after the other."""

from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import unquote

from ..core.errors import CatalogError
from .raw_rows import Row, TableSource


class FolderTable:
    """The tables in a folder and its subfolders, in order of their paths.

    Names that begin with ``_`` or ``.`` are the writer's own notes. A subfolder ``brand=Acme`` says
    what a column is in all rows below it.

    Parameters
    ----------
    suffixes
        What tables may end in.
    open_part
        Opens one of them.

    Raises
    ------
    CatalogError
        If there is no table in it, or one can't be read.
    """

    def __init__(
        self, path: Path, suffixes: Collection[str], open_part: Callable[[Path], TableSource]
    ) -> None:
        files = sorted(
            file
            for file in path.rglob("*")
            if file.is_file()
            and not any(part[0] in "_." for part in file.relative_to(path).parts)
            and file.name.lower().endswith(tuple(suffixes))
        )
        if not files:
            raise CatalogError(
                f"{path}: a folder must hold the parts of one table ({', '.join(suffixes)}), but "
                "this holds none. Check the path."
            )
        self._parts = [(open_part(file), _partition(file.relative_to(path))) for file in files]
        self.columns = tuple(
            dict.fromkeys(
                name for part, constant in self._parts for name in (*part.columns, *constant)
            )
        )
        self.notes = (f"parts read: {len(files):,}", *self._parts[0][0].notes)

    def rows(self, wanted: Collection[str]) -> list[Row]:
        """Read the rows of all parts; a column that a part lacks is missing there."""
        return [
            row._replace(fields=row.fields | {k: v for k, v in constant.items() if k in wanted})
            for part, constant in self._parts
            for row in part.rows([name for name in part.columns if name in wanted])
        ]


def _partition(file: Path) -> dict[str, str]:
    """Read ``brand=Acme/part-0.parquet`` as what it says of all rows of that part."""
    pairs = [folder.split("=", 1) for folder in file.parts[:-1] if "=" in folder]
    return {name: unquote(value) for name, value in pairs}
