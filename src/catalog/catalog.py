"""A catalogue: the listings that can be used, and the rows that were set aside, each with why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .catalog_file import CatalogFile
from .categories import CategoryStyle
from .columns import Named
from .delimited import write_csv
from .listing import MORE_IMAGES, Listing
from .notes import NotesTaker
from .photo_paths import PhotoFolder
from .product_columns import ProductColumns
from .raw_rows import Row
from .row_checker import CheckedRows, RejectedRow, RowChecker, RowTally
from .rows import FIELDS, OnPhotoError, RowReader

__all__ = ["Catalog", "RejectedRow", "read_catalog", "read_in_chunks"]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Good listings in file order, and rejected rows; with those joined, all rows of the source.

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
    n_joined
        How many rows go on with the listing before them, and are part of it.
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
    n_joined: int = 0

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
        names = (*FIELDS, MORE_IMAGES)
        rows = (Row({name: getattr(listing, name) for name in names}) for listing in listings)
        root = None if image_root is None else Path(image_root).resolve()
        style = CategoryStyle.of(listing.category for listing in listings)
        reader = RowReader(PhotoFolder(root), need_category, style=style)
        checked = RowChecker(reader).check(enumerate(rows, start=1))
        return _catalog(checked, notes=NotesTaker().take(checked.kept.values()).notes(style))

    @property
    def n_rows(self) -> int:
        """Rows of the source, kept or rejected; those joined to others come on top."""
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
                replace(listing, image=None, more_images=()) if row in reasons else listing
                for row, listing in zip(self.rows, self.listings, strict=True)
            ),
            photo_problems={**self.photo_problems, **reasons},
        )

    @property
    def tally(self) -> RowTally:
        """How many rows were kept and rejected, and the first reasons."""
        return RowTally().count(len(self.listings), self.rejected, self.n_joined)

    def summary(self) -> str:
        """Count rows in one line: ``"1,047 rows: 1,040 kept, 7 rejected (3 duplicate id, …)"``."""
        return self.tally.summary()

    def first_reasons(self, n: int = 3) -> str:
        """Quote the first rejected rows, for an error after which no file is written."""
        return self.tally.first_reasons(n)

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
    category_taxonomy: str | Path | None = None,
) -> Catalog:
    """Read a catalogue file, and set rows aside that can't be used.

    Parameters
    ----------
    path
        CSV, TSV, JSON, Parquet or a spreadsheet, by suffix, or a folder of such parts.
    columns
        Our field name -> the file's column name, where it is none of the usual ones:
        ``{"image": "front_view"}``; for a category several that make its path, the highest first,
        and for ``more_images`` all that hold further photos.
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
    category_taxonomy
        A file that says which paths ids stand for; see `read_taxonomy`.

    Raises
    ------
    CatalogError
        If the file can't be used as a whole; the message holds every problem found.
    """
    file = CatalogFile(
        path,
        columns=columns,
        image_root=image_root,
        need_category=need_category,
        locate=locate,
        category_separator=category_separator,
        photos=photos,
        on_photo_error=on_photo_error,
        encoding=encoding,
        category_taxonomy=category_taxonomy,
    )
    [catalog] = read_in_chunks(file)
    return replace(catalog, notes=file.notes)


def read_in_chunks(file: CatalogFile, n_rows: int | None = None) -> Iterator[Catalog]:
    """Read a catalogue some rows at a time, from its beginning; None: all at once.

    Rows are numbered, kept and rejected as if they were read at once. What the owner should know
    is in `file.notes`.
    """
    for checked, product_columns in file.chunks(n_rows):
        yield _catalog(
            checked,
            source=file.path,
            columns=file.columns,
            product_columns=product_columns,
            on_photo_error=file.on_photo_error,
        )


def _catalog(checked: CheckedRows, **known: Any) -> Catalog:
    return Catalog(
        listings=tuple(row.listing for row in checked.kept.values()),
        rows=tuple(checked.kept),
        rejected=tuple(checked.rejected),
        n_joined=checked.n_joined,
        photo_problems={
            number: row.photo_problem for number, row in checked.kept.items() if row.photo_problem
        },
        **known,
    )
