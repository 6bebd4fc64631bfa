"""A table and a zip of photos from a browser become a Catalog; neither is trusted."""

import re
import shutil
import tempfile
import unicodedata
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ....catalog.catalog import Catalog, photos_in, read_catalog
from ....catalog.listing import Listing
from ....catalog.rows import FIELDS, RowError, shown
from ....core.errors import CatalogError
from .archives import unpack_photos

_OPTION = re.compile(r", or pass --[\w-]+( [^\s.]+)?( or --[\w-]+ [^\s.]+)*")
MAX_ROWS = 100_000
MAX_TABLE_BYTES = 200_000_000
"""Size of the table; for Parquet also of its columns in memory."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Listings whose photos lie below `root`, a resolved folder."""

    catalog: Catalog
    root: Path

    def without_root(self, text: str) -> str:
        """Cut the folder out of a message: its place on this machine is nobody's business."""
        return text.replace(f"{self.root}/", "")


class Workspace:
    """A temporary folder; it goes when it is closed, forgotten, or the program ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="shelfsure-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Give the subfolder `name`; it is made if needed."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        self._remove()


def read_upload(
    table: Path, photos: Path | None, into: Path, *, need_category: bool = False
) -> Upload:
    """Read a table whose photos are in a zip, or in a folder of this machine.

    Parameters
    ----------
    photos
        A zip file, a folder, or None where the listings have none. A folder must come from
        somebody who may read this machine's files.
    into
        An empty folder for the zip's photos.

    Raises
    ------
    CatalogError
        If the table or the zip can't be used as a whole; no message names a folder of this
        machine, other than `photos` itself.
    """
    root, locate = _placed(photos, into)
    _check_table(table)
    try:
        catalog = read_catalog(table, image_root=root, need_category=need_category, locate=locate)
    except CatalogError as error:
        said = str(error).replace(f"{table.parent}/", "")
        raise CatalogError(_OPTION.sub("", said)) from error
    if catalog.n_rows > MAX_ROWS:
        raise CatalogError(_too_many_rows(table, catalog.n_rows))
    return Upload(catalog, root.resolve())


def read_outside(photos: Path, into: Path) -> list[Listing]:
    """Read photos of what the catalogue doesn't sell, from a zip or a folder of this machine.

    A CatalogError if the zip can't be used, or there is no photo.
    """
    if photos.is_dir():
        return photos_in(photos)
    unpack_photos(photos, into)
    try:
        return photos_in(into)
    except CatalogError as error:
        raise CatalogError(str(error).replace(str(into), photos.name)) from error


def _placed(photos: Path | None, into: Path) -> tuple[Path, Callable[[str], str] | None]:
    """Say where the photos lie, and how one is found there; None: as it is written."""
    if photos is None:
        return into, PhotoNames(()).locate
    if photos.is_file():
        return into, PhotoNames(unpack_photos(photos, into)).locate
    if photos.is_dir():
        return photos, None
    raise CatalogError(
        f"The photos must lie in a folder of this machine, but {photos} isn't one. "
        "Check the path, or upload a zip."
    )


def _check_table(table: Path) -> None:
    """Refuse a table that would fill the memory, before it is read."""
    n_bytes = table.stat().st_size
    if table.suffix.lower() == ".parquet" and n_bytes <= MAX_TABLE_BYTES:
        n_bytes = _parquet_bytes(table)
    if n_bytes > MAX_TABLE_BYTES:
        raise CatalogError(
            f"{table.name}: a table may have at most {MAX_TABLE_BYTES:,} bytes, but this "
            "has more. Upload it in parts, and photos as a zip."
        )


def _parquet_bytes(table: Path) -> int:
    """Measure the columns as they will lie in memory: a dictionary can repeat a long value."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    n_bytes = 0
    try:
        with ParquetFile(table) as file:
            if file.metadata.num_rows > MAX_ROWS:
                raise CatalogError(_too_many_rows(table, file.metadata.num_rows))
            wanted = [name for name in file.schema_arrow.names if name in FIELDS]
            for part in file.iter_batches(batch_size=64, columns=wanted):
                n_bytes += part.nbytes
                if n_bytes > MAX_TABLE_BYTES:
                    break
    except (pa.ArrowException, OSError):
        return 0  # the reader says what is wrong with it
    return n_bytes


def _too_many_rows(table: Path, n_rows: int) -> str:
    return (
        f"{table.name}: a table may have at most {MAX_ROWS:,} rows, but has {n_rows:,}. "
        "Upload it in parts."
    )


class PhotoNames:
    r"""Finds the photo that a table means, though the zip may have packed it another folder deep.

    Upper and lower case, ``\\`` and ``/``, and the two ways to write an accent count as the same;
    `names` are paths below the photos' folder, with ``/``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._by_file_name: dict[str, list[str]] = {}
        for name in sorted(self._names):
            self._by_file_name.setdefault(_key(name)[-1], []).append(name)

    def locate(self, written: str) -> str:
        """Give the path of the one photo that fits best.

        That is the one of exactly this path; else of this path below some folder; else of this
        file name. What leads out of the folder, or fits nothing, stays as written, for
        `read_catalog` to refuse.

        Raises
        ------
        RowError
            If several fit equally well.
        """
        key = _key(written)
        if written in self._names or not key or _leads_out(written):
            return written
        same_name = self._by_file_name.get(key[-1], [])
        below = [name for name in same_name if _key(name)[-len(key) :] == key]
        exact = [name for name in below if len(_key(name)) == len(key)]
        fitting = exact or below or same_name
        if len(fitting) > 1:
            raise RowError(
                f"photo is not unique: {shown(written)} may be {shown(fitting[0])} or "
                f"{shown(fitting[1])}; write its whole path in the zip"
            )
        return fitting[0] if fitting else written


def _key(written: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFC", written.strip().replace("\\", "/"))
    return PurePosixPath(plain.casefold()).parts


def _leads_out(written: str) -> bool:
    place = PurePosixPath(written.strip().replace("\\", "/"))
    outside = place.is_absolute() or ".." in place.parts
    return outside or re.match(r"[A-Za-z]:|[a-z][a-z0-9+.-]+://", written.strip(), re.I) is not None
