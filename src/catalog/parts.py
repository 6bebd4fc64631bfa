"""A folder of parts, as Spark and its like write one table: read one after the other."""

from collections.abc import Callable, Collection, Iterator
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

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1, as if all parts were of one size."""
        return sum(part.fraction_read for part, _ in self._parts) / len(self._parts)

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Read the rows of all parts; a column that a part lacks is missing there."""
        for part, constant in self._parts:
            own = {name: value for name, value in constant.items() if name in wanted}
            for row in part.rows([name for name in part.columns if name in wanted]):
                yield row._replace(fields=row.fields | own) if own else row


def _partition(file: Path) -> dict[str, str]:
    """Read ``brand=Acme/part-0.parquet`` as what it says of all rows of that part."""
    pairs = [folder.split("=", 1) for folder in file.parts[:-1] if "=" in folder]
    return {name: unquote(value) for name, value in pairs}
