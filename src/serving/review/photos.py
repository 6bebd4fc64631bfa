"""The review store's own copies of photos, under the names of their contents."""

from pathlib import Path

from ...core.errors import UnreadablePhotoError
from ...core.files import atomic_path
from ...vision.formats import ACCEPTED, describe, identify


def keep_photo(data: bytes, digest: str, folder: Path) -> str:
    """Write a photo under the name of its contents, unless it is there; give its name."""
    kind = identify(data)
    if kind is None:
        raise UnreadablePhotoError(f"A photo must be {ACCEPTED}, got {describe(data)}.")
    name = f"{digest[:2]}/{digest}.{'jpg' if kind == 'JPEG' else kind.lower()}"
    if not (folder / name).exists():
        with atomic_path(folder / name) as partial:
            partial.write_bytes(data)
    return name
