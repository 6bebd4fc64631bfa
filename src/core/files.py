"""Files and folders that appear whole or not at all."""

import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from .errors import ConfigError, ShelfsureError


class FolderKind(NamedTuple):
    """What Shelfsure calls a folder of its own, and how it knows one."""

    name: str
    """With its article, such as ``a bundle``."""
    marker: str | None = None
    """The file in it that shows its kind: a folder without that is never replaced."""
    error: type[ShelfsureError] = ConfigError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes `path`'s place in one step.

    A reader sees the old file or the new one, never a part. On an error or Ctrl-C the temporary
    file is removed and `path` stays as it was. The temporary name keeps `path`'s suffix, because
    writers (pandas, Pillow) choose the format by it; who may read it is not for them to choose.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    partial.touch(exist_ok=False)
    mode = stat.S_IMODE(partial.stat().st_mode)
    try:
        yield partial
        _finish(partial, mode)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(out: Path, kind: FolderKind, *, replace: bool = False) -> Iterator[Path]:
    """Yield a folder beside `out` to fill; on success it becomes `out`, on an error it goes.

    An old folder goes only when the new one is in its place. If that fails it comes back; if a kill
    comes at that very moment, the next write brings it back.

    Raises
    ------
    ShelfsureError
        `kind.error`, before or after the block; see `require_free_folder`.
    """
    require_free_folder(out, kind, replace=replace)
    home = out.resolve()
    home.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(home, f"partial-{secrets.token_hex(4)}")
    with ExitStack() as until_the_end:
        with _held(home.parent):  # so that nobody takes it for a leftover before it is held, too
            partial.mkdir()
            until_the_end.enter_context(_held(partial))
        try:
            mode = stat.S_IMODE(partial.stat().st_mode)
            yield partial
            with ThreadPoolExecutor(8) as pool:  # a disk keeps 8 files in the time of one
                list(pool.map(_finish, (*partial.rglob("*"), partial), repeat(mode)))
            with _held(home.parent):
                _require_free(out, kind, replace=replace)
                try:
                    if home.exists():
                        home.rename(_beside(home, "replaced"))
                    partial.rename(home)
                    sync(home.parent)
                finally:
                    _mend(home)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def require_free_folder(out: Path, kind: FolderKind, *, replace: bool = False) -> None:
    """Complain before the work starts, not after it.

    Raises
    ------
    ShelfsureError
        `kind.error`, if `out` holds something, unless that is of this kind and `replace` is set.
    """
    home = out.resolve()
    if home.parent.is_dir():
        with _held(home.parent):  # while another exchanges it, it is there only in part
            _mend(home)
            _require_free(out, kind, replace=replace)
    else:
        _require_free(out, kind, replace=replace)


def sync(path: Path) -> None:
    """Put a file, or a folder's list of names, on disk for good; Windows does the latter itself."""
    if os.name == "posix" or path.is_file():
        handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_free(out: Path, kind: FolderKind, *, replace: bool) -> None:
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else ["a file"]
    if not out.exists() or not names:
        return
    if kind.marker is None or not (out / kind.marker).is_file():
        raise kind.error(
            f"{kind.name.capitalize()} is written to a new or empty folder, but {out} holds "
            f"something else ({', '.join(names[:3])}). Name another folder."
        )
    if not replace:
        raise kind.error(
            f"{out} already holds {kind.name}. Pass --overwrite to replace it, or name another."
        )


def _finish(path: Path, mode: int) -> None:
    path.chmod(mode if path.is_dir() else mode & 0o666)
    sync(path)


def _beside(home: Path, said: str) -> Path:
    return home.with_name(f".{home.name}.{said}")


def _mend(home: Path) -> None:
    """Put right what a killed run has left; the caller holds the folder above."""
    if (old := _beside(home, "replaced")).is_dir():
        with suppress(OSError):
            home.rmdir()  # an empty one is no reason not to bring the old one back
        if home.exists():  # "replaced" stands for a whole folder, so that name goes first
            old = old.rename(_beside(home, f"partial-{secrets.token_hex(4)}"))
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(home)
    ours = re.compile(rf"\.{re.escape(home.name)}\.partial-[0-9a-f]{{8}}")
    for left in [path for path in home.parent.iterdir() if ours.fullmatch(path.name)]:
        with _held(left, wait=False) as nobody_writes:
            if nobody_writes:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _held(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Lock a folder until the block or the process ends; yields whether it is locked.

    It isn't where another has it, or the system has no such locks (Windows, some network drives).
    """
    with ExitStack() as opened:
        held = False
        with suppress(ImportError, OSError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            opened.callback(os.close, handle)
            opened.callback(fcntl.flock, handle, fcntl.LOCK_UN)  # for forked processes, too
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        yield held


def encodable(text: str) -> str:
    """Put ``?`` for half characters, which UTF-8 can't hold; a title may have some."""
    return text.encode("utf-8", "replace").decode()
