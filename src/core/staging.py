"""Where an output is filled before it takes its place: a folder beside it, held by its writer.

A killed writer lets go of what it held, so the next one knows a leftover from somebody's work.
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_STAGED = re.compile(r"\..+\.partial-[0-9a-f]{8}")
_LONGEST_NAME = 200
"""In bytes, of 255 that most file systems allow: what stands around it takes some."""


@contextmanager
def staging(home: Path) -> Iterator[Path]:
    """Yield a new folder beside `home`, removed in the end; what dead writers left goes first.

    Folders above that had to be made go too if the block fails.
    """
    made = [p for p in home.parents if not os.path.exists(p)]  # noqa: PTH110 (long names)
    with ExitStack() as until_the_end:
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
            _clear(home)
            partial = until_the_end.enter_context(_new_folder(home))
            yield partial
        except BaseException:
            until_the_end.close()
            with suppress(OSError):  # somebody else uses it by now
                for folder in made:
                    folder.rmdir()
            raise


@contextmanager
def _new_folder(home: Path) -> Iterator[Path]:
    partial = beside(home, f"partial-{secrets.token_hex(4)}")
    partial.mkdir()
    try:
        with held(partial):
            if partial.is_dir():
                yield partial
                return
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    with _new_folder(home) as another:  # somebody took it for a leftover before it was held
        yield another


def mend(home: Path) -> None:
    """Put right what a killed exchange of folders has left; the caller holds the folder above."""
    if (old := beside(home, "replaced")).is_dir():
        with suppress(OSError):
            home.rmdir()  # an empty one is no reason not to bring the old one back
        if home.exists():  # "replaced" stands for a whole folder, so that name goes first
            old = old.rename(beside(home, f"partial-{secrets.token_hex(4)}"))
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(home)
    _clear(home)


def exchange(partial: Path, home: Path) -> None:
    """Put a folder into the place of another, or of none; the caller holds the folder above."""
    try:
        if home.exists():
            home.rename(beside(home, "replaced"))
        partial.rename(home)
        sync(home.parent)
    finally:
        mend(home)


def beside(home: Path, said: str) -> Path:
    """Name a place beside `home` that belongs to it."""
    name = home.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return home.with_name(f".{name}.{said}")


def sync(path: Path) -> None:
    """Put a file, or a folder's list of names, on disk for good; Windows does the latter itself."""
    if os.name == "posix" or path.is_file():
        handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def exchanging(home: Path) -> Iterator[None]:
    """Keep others from exchanging `home` meanwhile; in a folder being filled, nobody else does."""
    if _STAGED.fullmatch(home.parent.name):  # held already, by whoever fills it
        yield
        return
    with held(home.parent):
        yield


@contextmanager
def held(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Lock a folder until the block or the process ends; yields whether it is locked.

    It isn't where another has it, or the system has no such locks (Windows, some network drives).
    """
    with ExitStack() as opened:
        locked = False
        with suppress(ImportError, OSError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            opened.callback(os.close, handle)
            opened.callback(fcntl.flock, handle, fcntl.LOCK_UN)  # for forked processes, too
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            locked = True
        yield locked


def _clear(home: Path) -> None:
    ours = re.compile(re.escape(beside(home, "partial-").name) + "[0-9a-f]{8}")
    for left in [path for path in home.parent.iterdir() if ours.fullmatch(path.name)]:
        with held(left, wait=False) as nobody_writes:
            if nobody_writes:
                shutil.rmtree(left, ignore_errors=True)
