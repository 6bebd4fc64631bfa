"""Where jobs lie on disk, each under its id: what it was given, and what came out, whole or not.

A job that is being made or worked on is held by its process. So one that is neither held nor has a
result was interrupted, and is known as such by whoever looks for it next.
"""

import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.files import atomic_folder, atomic_path
from ....core.kinds import FolderKind
from ....core.output import output
from ....core.staging import held

KEEP_S, KEEP_BYTES = 7 * 86_400.0, 4_000_000_000
"""So long, and so much in all, jobs are kept; beyond, the oldest go first."""
_ID = re.compile(r"[0-9a-f]{32}")
_ASKED, _STARTS, _SHOWN, _RESULT = "job.json", "starts", "shown.json", "result"
_JOB, _OUTCOME = FolderKind("a job"), FolderKind("a job's result")


@dataclass(frozen=True)
class JobFolder:
    """The folder of one job; its name is the job's id."""

    path: Path

    @property
    def job_id(self) -> str:
        return self.path.name

    @property
    def asked(self) -> dict[str, Any]:
        """What was chosen as it was begun, and its ``kind``."""
        asked: dict[str, Any] = json.loads((self.path / _ASKED).read_bytes())
        return asked

    @property
    def until(self) -> float:
        """When it goes, in seconds since 1970, unless there is no room for it before."""
        return (self.path / _ASKED).stat().st_mtime + KEEP_S

    def given(self, name: str) -> Path | None:
        """Find an uploaded file again; None if there was none."""
        return next((self.path / "given" / name).glob("*"), None)

    def folder(self, name: str) -> Path:
        """Give a folder to work in; it goes with the job's end, unless it is named ``photos``."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def fresh(self, name: str) -> Path:
        """Give such a folder empty."""
        shutil.rmtree(self.path / name, ignore_errors=True)
        return self.folder(name)

    @property
    def result(self) -> Path | None:
        """The folder of what came out; None as long as it isn't there."""
        path = self.path / _RESULT
        return path if path.is_dir() else None

    def shown(self) -> dict[str, Any]:
        """Give what `finishing` was told to keep of a job with a result."""
        shown: dict[str, Any] = json.loads((self.path / _RESULT / _SHOWN).read_bytes())
        return shown

    @contextmanager
    def finishing(self, shown: Mapping[str, Any]) -> Iterator[Path]:
        """Yield a folder for what came out, there as a whole when the block has ended well.

        `shown` is JSON. Of what the job was given, only ``photos`` stay.
        """
        with atomic_folder(self.path / _RESULT, _OUTCOME) as partial:
            (partial / _SHOWN).write_text(json.dumps(shown), encoding="utf-8")
            yield partial
        for path in self.path.iterdir():
            if path.name not in {_ASKED, _RESULT, "photos"}:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Hold the job; yields whether nobody else works on it."""
        with _idle(self.path / _ASKED) as idle:
            yield idle

    @property
    def n_starts(self) -> int:
        """How often it was begun or resumed, orderly interruptions left out."""
        path = self.path / _STARTS
        return int(path.read_text()) if path.exists() else 0

    def count_start(self, n: int) -> None:
        """Count `n` more starts; -1 takes one back."""
        n_starts = self.n_starts + n
        with atomic_path(self.path / _STARTS) as partial:
            partial.write_text(str(n_starts))


@dataclass(frozen=True)
class JobStore:
    """All jobs below a folder of the server's own; several processes may share it."""

    root: Path
    keep_s: float = KEEP_S
    keep_bytes: int = KEEP_BYTES

    def new(self, asked: Mapping[str, Any], files: Mapping[str, str | Path | None]) -> JobFolder:
        """Keep what a new job is about; older jobs go, where there are too many.

        Parameters
        ----------
        asked
            JSON, with the job's ``kind``.
        files
            Uploaded ones, by the names under which `JobFolder.given` finds them.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        self.clear()
        home = self.root / secrets.token_hex(16)
        with output(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_folder(home, _JOB) as partial:
            for name, path in files.items():
                if path is not None:
                    place = partial / "given" / name / Path(path).name
                    place.parent.mkdir(parents=True)
                    _put(Path(path), place)
            (partial / _ASKED).write_text(json.dumps(asked), encoding="utf-8")
        return JobFolder(home)

    def find(self, kind: str, job_id: str) -> JobFolder | None:
        """Find a job; None if there is none of this kind and id, which may be any text."""
        if not _ID.fullmatch(job_id) or not (self.root / job_id / _ASKED).is_file():
            return None
        job = JobFolder(self.root / job_id)
        return job if job.asked.get("kind") == kind else None

    def clear(self) -> None:
        """Remove jobs that are too old, and the oldest of too many; none that is worked on."""
        if not self.root.is_dir():
            return
        kept = 0
        for path in sorted(self.root.iterdir(), key=_begun, reverse=True):
            n_bytes = _n_bytes(path)
            kept += n_bytes
            whole = _ID.fullmatch(path.name)
            old = _begun(path) < time.time() - self.keep_s
            if old or kept > self.keep_bytes or not whole:
                with _idle(path / _ASKED if whole else path) as idle:
                    if idle:
                        shutil.rmtree(path, ignore_errors=True)
                        kept -= n_bytes


@contextmanager
def _idle(path: Path) -> Iterator[bool]:
    """Hold a file or a folder; yields whether nobody else does."""
    with held(path, wait=False) as locked:
        yield locked or os.name != "posix"


def _begun(path: Path) -> float:
    try:
        return (path / _ASKED).stat().st_mtime
    except OSError:  # it is being made, or removed
        return time.time()


def _n_bytes(folder: Path) -> int:
    n_bytes = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it is being removed
            found = path.lstat()
            n_bytes += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return n_bytes


def _put(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # another file system
        shutil.copyfile(path, place)
