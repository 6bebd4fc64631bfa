"""A catalogue: the listings that can be used, and the rows that were set aside, each with why."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import CatalogError
from .categories import CategoryStyle
from .columns import Named, match_columns, named_columns
from .delimited import write_csv
from .listing import Listing
from .notes import reading_notes
from .photo_paths import PhotoFolder
from .product_columns import ProductColumns, find_product_columns, product_values
from .raw_rows import Row
from .rows import FIELDS, OnPhotoError, ReadRow, RowReader
from .tables import open_table
from .values import RowError, as_text


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was set aside.

    Parameters
    ----------
    row
        The data row, from 1; the header and blank lines don't count.
    listing_id
        As far as it could be read; unprintable characters are escaped.
    reason
        The kind of defect, then, after a colon, its details.
    """

    row: int
    listing_id: str
    reason: str

    @property
    def kind(self) -> str:
        """What `Catalog.summary` counts."""
        return self.reason.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Good listings in file order, and rejected rows; together they are all rows of the source.

    Parameters
    ----------
    listings
        What can be used; each id is there once.
    rows
        The data row (from 1) of each listing.
    rejected
        What can't, by row.
    source
        The file; ``None`` for a catalogue made in memory.
    columns
        Which columns of the file were taken for what, in words; empty without a file.
    product_columns
        Data row -> what the file says of it in columns that tell variants apart.
    notes
        What the catalogue's owner should know of it, such as text that was mended.
    on_photo_error
        What becomes of a listing with a title whose photo can't be had.
    photo_problems
        Data row -> why its photo was left out; such a listing goes by its title.
    """

    listings: tuple[Listing, ...]
    rows: tuple[int, ...]
    rejected: tuple[RejectedRow, ...] = ()
    source: Path | None = None
    columns: str = ""
    product_columns: Mapping[int, ProductColumns] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    on_photo_error: OnPhotoError = "reject"
    photo_problems: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def from_listings(
        cls,
        listings: Sequence[Listing],
        *,
        image_root: str | Path | None = None,
        need_category: bool = False,
    ) -> "Catalog":
        """Check listings made in memory as a file's rows are; photos may be bytes.

        Without `image_root` any path is taken, as written by the caller's own code.
        """
        rows = (Row({name: getattr(listing, name) for name in FIELDS}) for listing in listings)
        root = None if image_root is None else Path(image_root).resolve()
        style = CategoryStyle.of(listing.category for listing in listings)
        return _check_rows(rows, RowReader(PhotoFolder(root), need_category, style=style))

    @property
    def n_rows(self) -> int:
        """Rows of the source, kept or rejected."""
        return len(self.listings) + len(self.rejected)

    def reject(self, reasons: Mapping[int, str]) -> "Catalog":
        """Set more rows aside, such as those whose photo can't be decoded.

        Parameters
        ----------
        reasons
            Data row -> reason (its kind before a colon); each row must be a kept one.
        """
        unknown = reasons.keys() - set(self.rows)
        if unknown:
            raise ValueError(
                f"rows to reject must be among the kept ones, but {sorted(unknown)[:10]} aren't. "
                "Pass numbers from Catalog.rows."
            )
        pairs = list(zip(self.rows, self.listings, strict=True))
        more = [
            RejectedRow(row, listing.listing_id, reasons[row])
            for row, listing in pairs
            if row in reasons
        ]
        return replace(
            self,
            listings=tuple(listing for row, listing in pairs if row not in reasons),
            rows=tuple(row for row in self.rows if row not in reasons),
            rejected=tuple(sorted([*self.rejected, *more], key=lambda rejected: rejected.row)),
        )

    def without_photos(self, reasons: Mapping[int, str]) -> "Catalog":
        """Leave the photos of some rows out, such as those that can't be decoded.

        Parameters
        ----------
        reasons
            Data row -> reason; each row must be a kept one with a title.
        """
        return replace(
            self,
            listings=tuple(
                replace(listing, image=None) if row in reasons else listing
                for row, listing in zip(self.rows, self.listings, strict=True)
            ),
            photo_problems={**self.photo_problems, **reasons},
        )

    def summary(self) -> str:
        """Count rows in one line: ``"1,047 rows: 1,040 kept, 7 rejected (3 duplicate id, …)"``."""
        text = f"{self.n_rows:,} rows: {len(self.listings):,} kept, {len(self.rejected):,} rejected"
        kinds = Counter(rejected.kind for rejected in self.rejected).most_common()
        named = [f"{count:,} {kind}" for kind, count in kinds[:6]] + ["…"] * (len(kinds) > 6)
        return f"{text} ({', '.join(named)})" if named else text

    def first_reasons(self, n: int = 3) -> str:
        """Quote the first rejected rows, for an error after which no file is written."""
        return " ".join(f"Row {bad.row}: {bad.reason}" for bad in self.rejected[:n])

    def write_rejected(self, path: str | Path) -> None:
        """Write ``row,listing_id,reason`` as CSV; only the header where nothing was rejected."""
        write_csv(
            path,
            ("row", "listing_id", "reason"),
            ((rejected.row, rejected.listing_id, rejected.reason) for rejected in self.rejected),
        )


def read_catalog(
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
) -> Catalog:
    """Read a catalogue file, and set rows aside that can't be used.

    Parameters
    ----------
    path
        CSV, TSV, JSON, Parquet or a spreadsheet, by suffix, or a folder of such parts.
    columns
        Our field name -> the file's column name, where it is none of the usual ones:
        ``{"image": "front_view"}``; for a category several that make its path, the highest first.
    image_root
        The folder that photos lie in; default: the folder of the file. A path that leads out of it
        is rejected, so that a seller's upload can't read other files.
    need_category
        Whether every listing must have a category (for training and evaluation).
    locate
        Turns what the image column says into a path below `image_root`; may raise RowError.
    category_separator
        What ends a level of a category besides ``>``; default: what the file's categories tell.
    photos
        False leaves all photos out.
    on_photo_error
        Whether a listing whose photo can't be had is rejected or goes by its title, if it has one.
    encoding
        Of a text file; default: UTF-8, or UTF-16 with its mark.

    Raises
    ------
    CatalogError
        If the file can't be used as a whole; the message holds every problem found.
    """
    path = Path(path)
    columns = columns or {}
    if not columns.keys() <= set(FIELDS):
        raise ValueError(
            f"columns must map from {', '.join(FIELDS)}, "
            f"but has {', '.join(sorted(columns.keys() - set(FIELDS)))}. Correct the name."
        )
    root = path.parent if image_root is None else Path(image_root)
    problems = [] if root.is_dir() or image_root is None else [_no_root(path, root)]
    try:
        table = open_table(path, named=named_columns(columns), encoding=encoding)
        match = match_columns(table.columns, columns, need_category=need_category)
        product = find_product_columns(table.columns)
        raw = table.rows(match.wanted | set(product.values()))
    except CatalogError as error:
        raise CatalogError("\n".join([*problems, str(error)])) from error
    problems += [f"{path}: {problem}" for problem in match.problems]
    told = [(match.by_field(row), row.fields) for row in raw if not row.is_blank]
    if not told:
        problems.append(f"{path}: must have rows, but has only a header. Export it again.")
    if problems:
        raise CatalogError("\n".join(problems))
    rows = [row for row, _ in told]
    style = CategoryStyle.of((row.fields.get("category") for row in rows), category_separator)
    folder = PhotoFolder(root.resolve(), locate) if photos else None
    catalog = _check_rows(rows, RowReader(folder, need_category, on_photo_error, style))
    blank = len(raw) - len(rows)
    notes = [f"{blank:,} rows without any value don't count"] if blank else []
    return replace(
        catalog,
        source=path,
        columns=match.described(),
        product_columns=_product_columns(told, product),
        notes=(*table.notes, *notes, *catalog.notes),
    )


def _product_columns(
    told: Sequence[tuple[Row, Mapping[str, object]]], columns: Mapping[str, str]
) -> dict[int, ProductColumns]:
    if not columns:
        return {}
    values = (product_values(fields, columns) for _, fields in told)
    return {number: own for number, own in enumerate(values, start=1) if own}


def _check_rows(rows: Iterable[Row], reader: RowReader) -> Catalog:
    """Sort rows into kept and rejected; of listings with the same id the first good one stays.

    Nothing is raised for a bad row, and each row is in one of the two.
    """
    kept: dict[str, tuple[int, ReadRow]] = {}
    rejected = []
    for number, raw in enumerate(rows, start=1):
        try:
            if raw.defect:
                raise RowError(raw.defect)
            row = reader.read(raw.fields)
            listing_id = row.listing.listing_id
            if listing_id in kept:
                raise RowError(f"duplicate id: row {kept[listing_id][0]} has it too")
        except RowError as error:
            rejected.append(
                RejectedRow(number, _printable(raw.fields.get("listing_id")), str(error))
            )
        else:
            kept[listing_id] = (number, row)
    return Catalog(
        listings=tuple(row.listing for _, row in kept.values()),
        rows=tuple(number for number, _ in kept.values()),
        rejected=tuple(rejected),
        notes=reading_notes([row for _, row in kept.values()], reader.style),
        on_photo_error=reader.on_photo_error,
        photo_problems={
            number: row.photo_problem for number, row in kept.values() if row.photo_problem
        },
    )


def _printable(listing_id: object) -> str:
    """Write an id as a kept row's is written, as far as it can be read."""
    try:
        text = as_text("listing_id", listing_id) or ""
    except RowError:
        text = str(listing_id)
    return text if text.isprintable() else repr(text)[1:-1]


def _no_root(path: Path, root: Path) -> str:
    return f"{path}: the image folder {root} must be a folder, but isn't. Check --image-root."
