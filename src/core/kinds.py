"""What is ours: how files and folders that Shelfsure has written are told from all others."""

import csv
import json
from collections.abc import Callable, Collection
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple, TypeAlias

from .errors import ConfigError, ShelfsureError

Owned: TypeAlias = Callable[[Path], Collection[str] | None]
_LONGEST_HEADER = 1 << 24


class FileKind(NamedTuple):
    """What Shelfsure calls a file of its own, and how it knows one."""

    name: str
    """With its article, such as ``a file of verdicts``."""
    is_own: Callable[[Path], bool]


class FolderKind(NamedTuple):
    """What Shelfsure calls a folder of its own, and how it knows one."""

    name: str
    """With its article, such as ``a bundle``."""
    owned: Owned | None = None
    """Names what belongs to such a folder, by paths within; None: it is no such folder. Without
    this function a folder that is there is never replaced."""
    error: type[ShelfsureError] = ConfigError


def folder_marked(marker: str, keys: Collection[str], *names: str) -> Owned:
    """Know a kind of folder by a file of JSON with these keys; `names` are patterns of the rest."""

    def owned(folder: Path) -> Collection[str] | None:
        try:
            said = json.loads((folder / marker).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(said, dict) or not said.keys() >= {*keys}:
            return None
        there = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        return {name for name in there if any(fnmatch(name, each) for each in (marker, *names))}

    return owned


def table_with(columns: Collection[str]) -> Callable[[Path], bool]:
    """Know a kind of table by columns that only it has: CSV, JSON Lines or Parquet."""

    def is_own(path: Path) -> bool:
        try:
            return {*columns} <= _columns_of(path)
        except (OSError, ValueError, csv.Error):
            return False

    return is_own


def _columns_of(path: Path) -> set[str]:
    if path.suffix.lower() == ".parquet":
        from pyarrow.parquet import read_schema

        return {*read_schema(path).names}
    with path.open(encoding="utf-8", newline="") as file:
        line = file.readline(_LONGEST_HEADER)
    if path.suffix.lower() == ".jsonl":
        said = json.loads(line)
        return {*said} if isinstance(said, dict) else set()
    return {*next(csv.reader([line]), [])}
