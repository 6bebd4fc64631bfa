"""A table and a zip of photos from a browser become a Catalog; neither is trusted."""

import re
import shutil
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ....catalog.catalog import Catalog, read_catalog
from ....catalog.column_names import holds_more_images, recognised
from ....catalog.listing import Listing
from ....catalog.photo_listings import photos_in
from ....catalog.photo_paths import photo_key, photo_parts
from ....catalog.text_files import unpacked_bytes
from ....catalog.values import RowError, shown
from ....core.errors import CatalogError
from ....core.scratch import new_scratch_folder
from .archives import unpack_photos

_NAME = r'(?:"[^"]*"|[^\s.,]+)'
_OPTION = re.compile(
    rf",? (?:or )?pass --[\w-]+(?: {_NAME})?(?: or --[\w-]+ {_NAME})*|: --[\w-]+ {_NAME}"
)
TABLE_TYPES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".gz")
"""Suffixes of tables; a spreadsheet is unpacked whole before its size is known, so none is read."""
_ELSEWHERE = re.compile(r"[a-z]:|[a-z][a-z0-9+.-]+://", re.IGNORECASE)
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
        self.path = new_scratch_folder()
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
        A zip file, a folder, or None where none was given: then listings go by their titles. A
        folder must come from somebody who may read this machine's files.
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
        catalog = read_catalog(
            table,
            image_root=root,
            need_category=need_category,
            locate=locate,
            on_photo_error="title" if photos is None else "reject",
        )
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
    suffix = table.suffix.lower()
    if suffix not in TABLE_TYPES:
        raise CatalogError(
            f"{table.name}: a catalogue must end in {', '.join(TABLE_TYPES)}, but this ends in "
            f"{suffix or 'nothing'!r}. Save it as one of them."
        )
    n_bytes = table.stat().st_size
    if n_bytes <= MAX_TABLE_BYTES and suffix == ".parquet":
        n_bytes = _parquet_bytes(table)
    if n_bytes <= MAX_TABLE_BYTES and suffix == ".gz":
        n_bytes = unpacked_bytes(table, MAX_TABLE_BYTES)
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
            wanted = [
                name
                for name in file.schema_arrow.names
                if recognised(name) or holds_more_images(name)
            ]
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
    """Finds the photo that a table means, though the zip may have packed it another folder deep.

    Spellings count as the same that `PhotoFolder` takes for the same; `names` are paths below the
    photos' folder, with ``/``.
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
        key, plain = _key(written), "/".join(photo_parts(written))
        if written in self._names or not key or _leads_out(written):
            return written
        if plain in self._names:
            return plain
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
    return tuple(map(photo_key, photo_parts(written)))


def _leads_out(written: str) -> bool:
    return ".." in photo_parts(written) or _ELSEWHERE.match(written.strip()) is not None
