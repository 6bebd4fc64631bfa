"""Files and folders that appear whole or not at all, and what an output may take the place of.

An output replaces nothing but an earlier output of its own kind, and never what was read for it.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path
from typing import Any, TypeAlias

from .errors import ConfigError
from .kinds import FileKind, FolderKind
from .output import output
from .staging import exchange, exchanging, held, mend, staging, sync

ReadFile: TypeAlias = Callable[[str], bytes]
"""A file's name in a folder -> its bytes."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path of the same name; on success it takes `path`'s place in one step.

    A reader sees the old file or the new one, never a part. On an error or Ctrl-C the temporary
    file is removed and `path` stays as it was. Who may read it is not for writers to choose.

    Raises
    ------
    OutputError
        If it can't be written: a full disk, a read-only folder.
    """
    path = Path(path)
    with _filled(path, path) as folder:
        partial = folder / path.name
        partial.touch()
        yield partial
        partial.stat()  # raises if it is gone


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 whole, as it stands: a ``?`` for half characters, of which a title may have some.

    Raises
    ------
    OutputError
        As `atomic_path`.
    """
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace", newline="\n")


@contextmanager
def atomic_files(out: Path) -> Iterator[Path]:
    """Yield a folder to fill; on success its files take their places in `out`, else none does.

    What else is in `out` stays.

    Raises
    ------
    OutputError
        If they can't be written.
    """
    with _filled(out, out / "files") as folder:
        yield folder


@contextmanager
def atomic_folder(
    out: Path,
    kind: FolderKind,
    *,
    replace: bool = False,
    check: Callable[[], None] | None = None,
) -> Iterator[Path]:
    """Yield a folder beside `out` to fill; on success it becomes `out`, on an error it goes.

    An old folder goes only when the new one is in its place. If that fails it comes back; if a kill
    comes at that very moment, the next write brings it back. Files in it that aren't of its kind
    move on into the new one.

    Parameters
    ----------
    check
        Called when all is ready, while no other writer exchanges `out`; may raise.

    Raises
    ------
    ShelfsureError
        `kind.error`, before or after the block; see `require_free_folder`.
    OutputError
        If it can't be written.
    """
    require_free_folder(out, kind, replace=replace)
    home = out.resolve()
    with output(out), staging(home) as partial, output(out, partial):
        mode = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        _finish_all([*partial.rglob("*"), partial], mode)
        with exchanging(home):
            _require_free(out, kind, replace=replace)
            if check:
                check()
            _keep_others(home, partial, kind)
            exchange(partial, home)


def require_free_folder(
    out: Path, kind: FolderKind, *, replace: bool = False, inputs: Iterable[Path | None] = ()
) -> None:
    """Complain before the work starts, not after it.

    Parameters
    ----------
    inputs
        Files that the work reads.

    Raises
    ------
    ShelfsureError
        `kind.error`, if `out` holds something, unless that is of this kind and `replace` is set;
        or one of the inputs is what would be replaced.
    """
    settled(out)
    with output(out), exchanging(out.resolve()):  # so that nothing vanishes meanwhile
        _require_free(out, kind, replace=replace)
        for name in (kind.owned and out.is_dir() and kind.owned(out)) or ():
            _require_no_input(out / name, inputs)


def require_free_file(path: Path, kind: FileKind, *, inputs: Iterable[Path | None] = ()) -> None:
    """Complain before the work starts if a file must not be written.

    Parameters
    ----------
    inputs
        What the work reads.

    Raises
    ------
    ConfigError
        If `path` is one of the inputs, or there and not of this kind.
    """
    if not os.path.lexists(path):
        return
    _require_no_input(path, inputs)
    if not path.is_file() or not kind.is_own(path):
        raise ConfigError(
            f"Only {kind.name} may be replaced by {kind.name}, but {path} is something else. Name "
            "another file or folder, or move that away."
        )


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder that writers exchange, whichever is in its place when it is free.

    Waits for another that holds it. Where the system has no such locks, nothing is held.
    """
    while True:
        settled(folder)
        before = _identity(folder)
        with held(folder):
            if before == _identity(folder):
                yield
                return


def settled(out: Path) -> None:
    """Wait while another exchanges a folder, and put right what a killed exchange has left."""
    with suppress(OSError):  # who can't write here has left nothing either
        home = out.resolve()
        with exchanging(home):
            mend(home)


def files_in(folder: Path) -> ReadFile:
    """Read files of a folder by their names in it; raises FileNotFoundError."""
    return lambda name: (folder / name).read_bytes()


def parse_json(data: bytes) -> Any:
    """Read JSON as the standard has it: NaN and infinity are a ValueError."""

    def refuse(number: str) -> None:
        raise ValueError(f"every number must be finite, but one is {number}")

    return json.loads(data, parse_constant=refuse)


def json_text(values: Any) -> str:
    """Write JSON for people, too; NaN and infinity are a ValueError."""
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_free(out: Path, kind: FolderKind, *, replace: bool) -> None:
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else ["a file"]
    if not os.path.lexists(out) or not names:
        return
    if kind.owned is None or not out.is_dir() or kind.owned(out) is None:
        raise kind.error(
            f"{kind.name.capitalize()} is written to a new or empty folder, but {out} holds "
            f"something else ({', '.join(names[:3])}). Name another folder."
        )
    if not replace:
        raise kind.error(
            f"{out} already holds {kind.name}. Pass --overwrite to replace it, or name another."
        )


def _require_no_input(path: Path, inputs: Iterable[Path | None]) -> None:
    there = [each for each in inputs if each is not None and each.exists()]
    if path.exists() and any(path.samefile(each) for each in there):
        raise ConfigError(
            f"An output must not replace what it is made from, but {path} is read, too. Name "
            "another file or folder."
        )


def _keep_others(home: Path, partial: Path, kind: FolderKind) -> None:
    """Give the new folder the old one's files that aren't of its kind."""
    owned = kind.owned(home) if kind.owned and home.is_dir() else None
    if owned is None:
        return
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if (path.is_dir() and not path.is_symlink()) or name.as_posix() in owned:
            continue
        place = partial / name
        if os.path.lexists(place):
            raise kind.error(
                f"{path} doesn't belong to {kind.name}, but the new one needs its name. Move it "
                "away."
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place, follow_symlinks=False)
        except (OSError, NotImplementedError):  # a file system without hard links
            shutil.copy2(path, place, follow_symlinks=False)


@contextmanager
def _filled(out: Path, home: Path) -> Iterator[Path]:
    """Yield a folder beside `home`, whose files then take their places there."""
    home = home.absolute()
    with output(out), staging(home) as partial, output(out, partial):
        mode = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        paths = sorted(path for path in partial.rglob("*") if path.is_file())
        _finish_all(paths, mode)
        for path in paths:
            path.replace(home.parent / path.name)


def _finish_all(paths: Collection[Path], mode: int) -> None:
    with ThreadPoolExecutor(8) as pool:  # a disk keeps 8 files in the time of one
        list(pool.map(_finish, paths, repeat(mode)))


def _finish(path: Path, mode: int) -> None:
    path.chmod(mode if path.is_dir() else mode & 0o666)
    sync(path)


def encodable(text: str) -> str:
    """Put ``?`` for half characters, which UTF-8 can't hold; a title may have some."""
    return text.encode("utf-8", "replace").decode()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
