"""A run in steps: each one's result is kept whole, under a hash of all that it was made from.

A killed run goes on where it was: what is there isn't made again, what isn't was never begun.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...core.errors import RetrainingLockedError
from ...core.files import atomic_folder, write_text
from ...core.kinds import FolderKind, folder_marked
from ...core.output import output

STEP, STEPS = "step.json", "steps"
LOG, READABLE_LOG = "log.jsonl", "log.txt"
_KIND = FolderKind("a step of a retraining", folder_marked(STEP, {"name", "inputs"}, "*"))
_SHOWN = 12


def digest(value: Any) -> str:
    """Hash anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a retraining's folder, or say at once who does.

    The operating system lets go when a holder ends, however that happens.

    Raises
    ------
    RetrainingLockedError
        If another retraining is at work in this folder.
    """
    holder = folder / ".pid"
    with output(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(folder / ".lock", timeout=0).acquire()
        except Timeout as error:
            who = holder.read_text() if holder.is_file() else "(unknown)"
            raise RetrainingLockedError(
                f"Only one retraining at a time may work in {folder}, but process {who} does. Wait "
                "until it is done, or stop it, and try again: what is finished is kept."
            ) from error
        with lock:
            holder.write_text(str(os.getpid()))
            yield


@dataclass
class Steps:
    """Runs steps, or takes them from an earlier run, and says why.

    Parameters
    ----------
    home
        The retraining's folder; its results lie in ``steps/NAME-KEY/``.
    say
        Called with each line of the log.
    """

    home: Path
    say: Callable[[str], None]
    used: list[Path] = field(default_factory=list)

    def run(
        self,
        name: str,
        inputs: Mapping[str, Any],
        work: Callable[[Path], None],
        *,
        in_place: bool = False,
    ) -> Path:
        """Have a step's result; give its folder.

        Parameters
        ----------
        inputs
            All that the result depends on, as JSON has it.
        work
            Fills a folder, which appears whole or not at all.
        in_place
            `work` goes on with what a killed one has left in the folder, by itself.
        """
        place = self.place(name, inputs)
        self.used.append(place)
        if (place / STEP).is_file():
            self.log(name, "skipped", f"it is there, made from the same: {place.name}")
            return place
        why = self._why(name, inputs)
        left = "it goes on, as an earlier run was stopped; " if place.exists() else ""
        self.log(name, "started", left + why)
        started = time.monotonic()
        told = json.dumps({"name": name, "inputs": inputs, "at": _now()}, default=str, indent=2)
        if in_place:
            place.mkdir(parents=True, exist_ok=True)
            work(place)
            write_text(place / STEP, told)
        else:
            with atomic_folder(place, _KIND) as partial:
                work(partial)
                (partial / STEP).write_text(told, encoding="utf-8")
        self.log(name, "done", f"in {time.monotonic() - started:,.1f} s: {place.name}")
        return place

    def place(self, name: str, inputs: Mapping[str, Any]) -> Path:
        """Name the folder of a step's result."""
        return self.home / STEPS / f"{name}-{digest(inputs)[:16]}"

    def log(self, step: str, action: str, why: str) -> None:
        """Write a line for people and one for programs."""
        at = _now()
        line = {"at": at, "pid": os.getpid(), "step": step, "action": action, "why": why}
        with (self.home / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        text = f"{step} {action}: {why}"
        with (self.home / READABLE_LOG).open("a", encoding="utf-8") as file:
            file.write(f"{at} {text}\n")
        self.say(text)

    def forget_others(self) -> None:
        """Remove the results that this run hasn't used."""
        kept = {place.name for place in self.used}
        for place in (self.home / STEPS).iterdir():
            if place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)

    def _why(self, name: str, inputs: Mapping[str, Any]) -> str:
        """Say what has changed since the step was last done."""
        done = sorted((self.home / STEPS).glob(f"{name}-*/{STEP}"), key=lambda p: p.stat().st_mtime)
        if not done:
            return "it was never done here"
        was = json.loads(done[-1].read_bytes())["inputs"]
        now = json.loads(json.dumps(inputs, default=str))
        changed = [key for key in now if was.get(key) != now[key]]
        told = (f"{key} is {_short(now[key])}, was {_short(was.get(key))}" for key in changed)
        return "; ".join(told) or "what it is made from has changed"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if not text:
        return "nothing"
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
