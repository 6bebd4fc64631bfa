"""A run's own folder, beside the result's: what `--resume` goes on from."""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.files import write_text
from ..core.tracking import flatten

SETTINGS = "settings.json"
LAST, BEST = "last.ckpt", "best.ckpt"


@dataclass(frozen=True)
class RunState:
    """Where a run keeps what it has done: ``.NAME.finetuning`` beside the result's folder NAME."""

    folder: Path

    @classmethod
    def beside(cls, out: Path) -> "RunState":
        return cls(out.with_name(f".{out.name}.finetuning"))

    @property
    def first(self) -> bool:
        """Whether this process prepares and exports, in a distributed run."""
        rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID")
        if rank is not None:
            return rank == "0"
        return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))

    def part(self, number: int) -> "RunState":
        """Give the place of one of the encoders that a run trains."""
        folder = self.folder / f"part-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        return RunState(folder)

    @property
    def checkpoint(self) -> Path | None:
        """The last checkpoint, None where there is none yet."""
        path = self.folder / LAST
        return path if path.is_file() else None

    def begin(self, settings: Mapping[str, Any], *, resume: bool) -> None:
        """Start a run, or go on with one that was told the same.

        Raises
        ------
        ConfigError
            If there is an unfinished run and `resume` isn't set, if there is none and it is, or if
            the unfinished run was told something else.
        """
        path = self.folder / SETTINGS
        if resume and not path.is_file():
            raise ConfigError(
                f"--resume goes on with an unfinished run, but {self.folder} holds none. "
                "Leave --resume away to start one."
            )
        if path.is_file():
            if not resume:
                raise ConfigError(
                    f"{self.folder} holds an unfinished run. Pass --resume to go on with it, or "
                    "remove that folder to start anew."
                )
            was = flatten(json.loads(path.read_text(encoding="utf-8")))
            now = flatten(json.loads(json.dumps(settings)))
            changed = sorted(k for k in was | now if was.get(k) != now.get(k))
            if changed:
                said = "; ".join(f"{k}: {was.get(k)!r}, now {now.get(k)!r}" for k in changed)
                raise ConfigError(
                    f"A run must be resumed as it was started, but {said[:500]}. Repeat the "
                    f"options of the start, or remove {self.folder} to start anew."
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(dict(settings), indent=2))

    def remember(self, name: str, value: Any) -> None:
        """Keep what the first process found out, for a resumed run and for other processes."""
        write_text(self.folder / f"{name}.json", json.dumps(value))

    def recall(self, name: str, *, wait: bool) -> Any:
        """Give what was remembered; None if nothing was, unless `wait` says to wait for it."""
        path = self.folder / f"{name}.json"
        while wait and not path.is_file():
            time.sleep(0.2)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def remove(self) -> None:
        shutil.rmtree(self.folder)
