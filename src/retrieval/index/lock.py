"""One writer at a time; readers need no lock."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...core.errors import IndexLockedError

LOCK_FILE, HOLDER_FILE = ".lock", ".writer.pid"


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for writing, or say at once who does.

    The operating system holds the lock and lets go when its holder ends, however that happens:
    a killed writer blocks nobody. The holder's pid only serves the message.

    Raises
    ------
    IndexLockedError
        If another writer (another process, or another thread of this one) is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / HOLDER_FILE
    try:
        lock = FileLock(folder / LOCK_FILE, timeout=0).acquire()
    except Timeout as error:
        raise IndexLockedError(
            f"Only one writer at a time may change the index {folder}, but process "
            f"{_pid(holder)} is writing to it. Wait until it is done, or stop it, and try again."
        ) from error
    with lock:
        holder.write_text(str(os.getpid()))
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)


def _pid(holder: Path) -> str:
    """Read who holds the lock; it may have let go, or not yet have written its name."""
    try:
        return holder.read_text() or "(unknown)"
    except FileNotFoundError:
        return "(unknown)"
