"""A long file's verdicts, kept in parts as they are made, so that nothing done is done again.

The parts lie in a folder beside the output, `PART_ROWS` rows of the input in each, as JSON Lines. A
part is there whole or not at all, and says of each listing what is known of it alone. So it doesn't
matter who makes which part, or when: after a kill, what is missing is made, and several processes
can share one file. Whoever finds all parts there joins them.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.files import atomic_path, write_text
from ..core.output import output
from ..core.staging import held
from .verdict_file import JudgedRow

PART_ROWS = 500
_FORMAT, _RUN = 1, "run.json"
_PART = re.compile(r"\d{8}\.jsonl")
_HASHED_BYTES = 256 << 20


@dataclass(frozen=True)
class Shard:
    """Which of several processes this is, from 1, and how many share the file."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``1/4``; a ConfigError, if it isn't that."""
        found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text.strip())
        shard = cls(int(found[1]), int(found[2])) if found else None
        if shard is None or not 1 <= shard.number <= shard.of:
            raise ConfigError(
                "--shard must be the number of this process, from 1, and of how many: 1/4 to 4/4, "
                f"but is {text!r}."
            )
        return shard

    def has(self, part: int) -> bool:
        """Tell whether a part, from 0, is this one's to make."""
        return part % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def fingerprint(path: Path) -> str:
    """Tell a file or a folder of files from others; of large ones by their size, time and begin."""
    known = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        found = file.stat()
        name = file.relative_to(path).as_posix()
        late = found.st_mtime_ns if found.st_size > _HASHED_BYTES else 0
        known.update(f"{name}\0{found.st_size}\0{late}\0".encode())
        with file.open("rb") as data:
            left = _HASHED_BYTES
            while left > 0 and (block := data.read(min(left, 1 << 20))):
                known.update(block)
                left -= len(block)
    return known.hexdigest()


class VerdictParts:
    """The parts of one output.

    Parameters
    ----------
    out
        The output; its parts lie in ``NAME.parts`` beside it.
    run
        All that single verdicts depend on, by names that a person understands: JSON values.
    """

    def __init__(self, out: Path, run: Mapping[str, Any], shard: Shard | None = None) -> None:
        self.shard = shard or Shard()
        self.folder = out.with_name(f"{out.name}.parts")
        self._run = {
            "format": _FORMAT,
            "rows a part": PART_ROWS,
            "shards": self.shard.of,
            **json.loads(json.dumps(run)),
        }

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[None]:
        """Begin the parts, or go on with them; a folder without a part goes again in the end.

        Unless it is shared: others may just begin to fill it.

        Raises
        ------
        ConfigError
            If there are parts of another run, or of this one and `resume` isn't set; or another
            process is making them.
        """
        places = (self.folder, *self.folder.parents)
        made = [path for path in places if not os.path.exists(path)]  # noqa: PTH110 (long names)
        lock = self.folder / f"shard-{self.shard.number}.lock"
        try:
            with output(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._require_same(resume=resume)
                lock.touch()
            with held(lock, wait=False) as mine:
                if not mine and os.name == "posix":
                    raise ConfigError(
                        f"Shard {self.shard} of {self.folder} is being made by another process. "
                        "Wait for it, or end it first."
                    )
                yield
        finally:
            if self.folder in made and self.shard.of == 1 and not self.there():
                self.remove()
                with suppress(OSError):  # others use it by now
                    for path in made[1:]:
                        path.rmdir()

    def there(self) -> list[int]:
        """List the parts that are there."""
        names = [path.name for path in self.folder.glob("*.jsonl")]
        return sorted(int(name[:8]) for name in names if _PART.fullmatch(name))

    def write(self, part: int, rows: Sequence[JudgedRow]) -> None:
        """Keep one part."""
        with (
            atomic_path(self._path(part)) as partial,
            partial.open("w", encoding="utf-8", newline="\n") as file,
        ):
            file.writelines(row.model_dump_json() + "\n" for row in rows)

    def read(self, n_parts: int) -> Iterator[JudgedRow]:
        """Give the rows of all parts, in order."""
        for part in range(n_parts):
            with self._path(part).open("rb") as file:
                yield from map(JudgedRow.model_validate_json, file)

    @contextmanager
    def joining(self, n_parts: int) -> Iterator[bool]:
        """Wait for others who join, and yield whether all parts are there to be joined."""
        with held(self.folder):
            yield self.there() == list(range(n_parts))

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, part: int) -> Path:
        return self.folder / f"{part:08d}.jsonl"

    def _require_same(self, *, resume: bool) -> None:
        path = self.folder / _RUN
        if not path.exists() and not self.there():
            self._require_ours()
            write_text(path, json.dumps(self._run, indent=1))
            return
        try:
            before = json.loads(path.read_bytes())
        except (OSError, ValueError):
            before = {}
        begun = [part for part in self.there() if self.shard.has(part)]
        if begun and not resume:
            raise ConfigError(
                f"{self.folder} holds {len(begun):,} parts of a run that didn't end. Pass --resume "
                "to go on with it, or remove that folder to begin anew."
            )
        names = [name for name in self._run if before.get(name) != self._run[name]]
        if names:
            said = "; ".join(f"{n}: {before.get(n)}, now {self._run[n]}" for n in names)
            raise ConfigError(
                f"{self.folder} was begun with something else ({said}). Give what it was begun "
                "with, or remove that folder to begin anew."
            )

    def _require_ours(self) -> None:
        others = sorted(p.name for p in self.folder.iterdir() if not _is_ours(p.name))
        if others:
            raise ConfigError(
                f"Verdicts are kept in {self.folder} until all are there, but it holds something "
                f"else ({', '.join(others[:3])}). Move that away, or name another output."
            )


def _is_ours(name: str) -> bool:
    return (
        name == _RUN
        or re.fullmatch(r"\d{8}\.jsonl|shard-.*\.lock|\..*\.partial-.*", name) is not None
    )
