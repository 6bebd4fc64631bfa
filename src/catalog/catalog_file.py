"""A catalogue's file: its columns are known once it is open, its rows are read as they are needed.

CSV and its like, JSON Lines and Parquet take the same memory however many rows they have; a
spreadsheet or one array of JSON is read whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ..core.errors import CatalogError
from .categories import CategoryStyle
from .columns import Named, match_columns, named_columns
from .continued_rows import NumberedRow, RowJoiner
from .listing import MORE_IMAGES
from .notes import NotesTaker
from .photo_paths import PhotoFolder
from .product_columns import ProductColumns, find_product_columns, product_values
from .raw_rows import Row
from .row_checker import CheckedRows, RowChecker
from .rows import FIELDS, OnPhotoError, RowReader
from .tables import open_table
from .taxonomy_file import read_taxonomy


class CatalogFile:
    """An opened catalogue; parameters and errors are those of `read_catalog`.

    Attributes
    ----------
    columns
        Which columns of the file were taken for what, in words.
    notes
        What the owner should know of the rows that were read.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Named | None = None,
        image_root: str | Path | None = None,
        need_category: bool = False,
        locate: Callable[[str], str] | None = None,
        category_separator: str | None = None,
        photos: bool = True,
        on_photo_error: OnPhotoError = "reject",
        encoding: str | None = None,
        category_taxonomy: str | Path | None = None,
    ) -> None:
        self.path, self.on_photo_error = Path(path), on_photo_error
        self._need_category, self._separator = need_category, category_separator
        self._taxonomy = read_taxonomy(Path(category_taxonomy)) if category_taxonomy else {}
        columns = columns or {}
        fields = (*FIELDS, MORE_IMAGES)
        if not columns.keys() <= set(fields):
            raise ValueError(
                f"columns must map from {', '.join(fields)}, "
                f"but has {', '.join(sorted(columns.keys() - set(fields)))}. Correct the name."
            )
        root = self.path.parent if image_root is None else Path(image_root)
        problems = [] if root.is_dir() or image_root is None else [_no_root(self.path, root)]
        try:
            table = open_table(self.path, named=named_columns(columns), encoding=encoding)
            self._table = table
            self._match = match_columns(table.columns, columns, need_category=need_category)
            self._product = find_product_columns(table.columns)
            self._joiner = RowJoiner.of(table.columns, self._match)
            self._n_blank = self._n_joined = 0
            is_empty = next(self._filled_rows(), None) is None
        except CatalogError as error:
            raise CatalogError("\n".join([*problems, str(error)])) from error
        problems += [f"{self.path}: {problem}" for problem in self._match.problems]
        if is_empty:
            problems.append(f"{self.path}: must have rows, but has only a header. Export it again.")
        if problems:
            raise CatalogError("\n".join(problems))
        self.columns = self._match.described()
        self._photos = (root.resolve(), locate) if photos else None
        self._taker, self._style = NotesTaker(), CategoryStyle()

    @property
    def fraction_read(self) -> float:
        """How far the rows are read, 0 to 1."""
        return self._table.fraction_read

    @property
    def notes(self) -> tuple[str, ...]:
        n = self._n_blank
        blank = [f"{n:,} rows without any value don't count"] if n else []
        n, key = self._n_joined, self._joiner.key
        joined = (
            f"{n:,} rows go on with the listing before them (column `{key}` is the same): their "
            "photos are further photos of it"
        )
        own = (*blank, joined) if n else blank
        return (*self._table.notes, *own, *self._taker.notes(self._style))

    def chunks(
        self, n_rows: int | None = None
    ) -> Iterator[tuple[CheckedRows, dict[int, ProductColumns]]]:
        """Read the file from its beginning, `n_rows` at a time; None: all at once.

        How categories are written is learned from the first chunk. Of all rows before a chunk it is
        known which ids were there, so that a row is kept or rejected as if all were read at once.

        Yields
        ------
        tuple
            The rows, and data row -> what the file says of it in columns that tell variants apart.
        """
        self._n_blank = self._n_joined = 0
        self._taker = NotesTaker()
        folder = PhotoFolder(*self._photos) if self._photos else None
        checker = None
        rows = self._joiner.join(self._filled_rows())
        while told := list(islice(rows, n_rows)):
            if checker is None:
                categories = (row.own.fields.get("category") for row in told)
                self._style = CategoryStyle.of(categories, self._separator)
                reader = RowReader(
                    folder, self._need_category, self.on_photo_error, self._style, self._taxonomy
                )
                checker = RowChecker(reader)
            product = self._product_columns(told)
            checked = checker.check([(row.number, row.own) for row in told])
            checked = replace(checked, n_joined=sum(row.n_joined for row in told))
            self._n_joined += checked.n_joined
            self._taker.take(checked.kept.values())
            yield checked, product

    def _filled_rows(self) -> Iterator[Row]:
        wanted = self._match.wanted | self._joiner.wanted | set(self._product.values())
        for row in self._table.rows(wanted):
            if row.is_blank:
                self._n_blank += 1
            else:
                yield row

    def _product_columns(self, told: list[NumberedRow]) -> dict[int, ProductColumns]:
        if not self._product:
            return {}
        values = ((row.number, product_values(row.raw.fields, self._product)) for row in told)
        return {number: own for number, own in values if own}


def _no_root(path: Path, root: Path) -> str:
    return f"{path}: the image folder {root} must be a folder, but isn't. Check --image-root."
