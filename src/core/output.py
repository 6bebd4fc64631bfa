"""What is said where something can't be written."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError, ShelfsureError

_CANT_WRITE = {
    getattr(errno, name, -1)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EIO"),
        *("EROFS", "EACCES", "EPERM", "EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG"),
    )
}
_SAID_OF_FULL_DISKS = ("No space left", "os error 28", "disk is full", "Disk quota exceeded")
"""What libraries say that don't hand the system's error on (safetensors, SQLite)."""
_SAID_OF_LIMITS = ("File too large", "disk I/O error", "inline_container.cc")
"""What safetensors, SQLite and PyTorch say where a limit or quota ends a file."""
_FULL_BYTES = 64 << 10


@contextmanager
def output(out: Path, partial: Path | None = None) -> Iterator[None]:
    """Say of `out` that it can't be written, where the block fails for that.

    Parameters
    ----------
    partial
        Where it is being filled.

    Raises
    ------
    OutputError
        With the reason, and the room on the disk.
    """
    try:
        yield
    except Exception as error:
        known = isinstance(error, OutputError)
        cause = error.__cause__ if known and error.__cause__ else error
        reason = _why_unwritable(cause, out, partial)
        if reason is None or (known and str(error).startswith(f"{out} ")):
            raise
        raise OutputError(
            f"{out} must be writable, but: {reason}. What was there before is untouched. Make "
            "room, or name another place."
        ) from cause


def _why_unwritable(error: BaseException, out: Path, partial: Path | None) -> str | None:
    """Say why something couldn't be written; None if that isn't what happened."""
    if isinstance(error, ShelfsureError):
        return None
    above = next(p for p in out.absolute().parents if os.path.isdir(p))  # noqa: PTH112 (long names)
    free = shutil.disk_usage(above).free
    if any(said in str(error) for said in _SAID_OF_FULL_DISKS) or free < _FULL_BYTES:
        if partial is None:
            return f"the disk is full, with {free / 1e6:,.1f} MB free"
        return f"the disk is full: more than {(_size(partial) + free) / 1e6:,.1f} MB are needed"
    if any(said in str(error) for said in _SAID_OF_LIMITS):
        return f"a limit, a quota or the disk itself ended a file ({str(error).splitlines()[0]})"
    if not isinstance(error, OSError) or error.errno not in _CANT_WRITE:
        return None
    if not isinstance(error.filename, str):
        return str(error.strerror)
    place, home = Path(error.filename).absolute(), out.absolute()
    ours = place == home or home in place.parents or place in home.parents
    staged = any(".partial-" in part for part in place.parts)
    if ours or staged:
        return str(error.strerror) + (f" ({place})" if place != home and not staged else "")
    return None  # of what was read for it


def _size(partial: Path) -> int:
    return sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
