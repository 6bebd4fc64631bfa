"""A folder of photos as listings that have nothing else, or as a catalogue's table."""

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from ..core.errors import CatalogError
from .listing import SEPARATOR, Listing
from .raw_rows import Row

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".apng", ".bmp", ".tif", ".tiff", ".avif"}
)


def photos_in(folder: str | Path) -> list[Listing]:
    """List the photos of a folder and its subfolders, in order of their paths.

    Raises
    ------
    CatalogError
        If it isn't a folder, or holds no photo.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CatalogError(f"Photos must lie in a folder, but {folder} isn't one. Check the path.")
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise CatalogError(
            f"{folder} must hold photos ({', '.join(sorted(SUFFIXES))}), but holds none."
        )
    return [Listing(path.relative_to(root).as_posix(), image=path) for path in paths]


class PhotoTable:
    """A folder of photos as a table: each photo's id, its path, and its folder as its category.

    Photos that lie in the folder itself have no category. Paths are from the folder's parent on,
    where a catalogue's photos are looked for.

    Raises
    ------
    CatalogError
        If there is no photo in it.
    """

    def __init__(self, path: Path) -> None:
        self._ids = [PurePosixPath(one.listing_id) for one in photos_in(path)]
        self._place, self._n_read = PurePosixPath(path.name), 0
        sorted_out = any(len(photo.parts) > 1 for photo in self._ids)
        self.columns = ("listing_id", "image", *(["category"] if sorted_out else []))
        named = ("the name of a photo's folder is its category",) if sorted_out else ()
        self.notes = (f"photos found: {len(self._ids):,}", *named)

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1."""
        return self._n_read / len(self._ids)

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Give a row a photo, in order of their paths."""
        for number, photo in enumerate(self._ids, start=1):
            self._n_read = number
            fields = {
                "listing_id": photo.as_posix(),
                "image": (self._place / photo).as_posix(),
                "category": SEPARATOR.join(photo.parts[:-1]),
            }
            yield Row({name: fields[name] for name in self.columns if name in wanted})
