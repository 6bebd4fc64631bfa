"""A folder of photos as listings that have nothing else."""

from pathlib import Path

from ..core.errors import CatalogError
from .listing import Listing

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
