"""The verdict log on disk: a folder a day of Parquet files, each there whole or not at all.

Writers, whoever forgets a listing and whoever removes what is too old take turns by a lock.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from ..core.errors import ConfigError
from ..core.files import atomic_path, parse_json, write_text
from ..core.output import output
from .log_rows import SCHEMA

MARKER, _LOCK, _FORGOTTEN = "verdict-log.json", ".lock", "forgotten.json"
_DAYS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_FORMAT = {"format": 1, "kind": "shelfsure verdict log"}
REMEMBERED = timedelta(hours=1)
"""So long a forgotten id's hash is kept: rows of it that a writer still holds go, too."""
ROWS_A_FILE = 2000
"""A writer's file grows to so many rows; then it begins another."""


@dataclass(frozen=True)
class LogFolder:
    """A folder of logged verdicts; `create` or `open` it.

    Parameters
    ----------
    keep_days, keep_bytes
        What is older, or more than fits, goes, the oldest first; None: no such bound.
    """

    path: Path
    keep_days: int | None = None
    keep_bytes: int | None = None

    @classmethod
    def create(
        cls, path: Path, keep_days: int | None = None, keep_bytes: int | None = None
    ) -> "LogFolder":
        """Open a log to write to; a new or empty folder becomes one.

        Raises
        ------
        ConfigError
            If the folder holds something else.
        OutputError
            If it can't be written.
        """
        with output(path):
            path.mkdir(parents=True, exist_ok=True)
            if not _is_log(path):
                if any(each.name != _LOCK for each in path.iterdir()):
                    raise ConfigError(
                        f"Verdicts are logged in a new or empty folder, but {path} holds something "
                        "else. Name another folder."
                    )
                write_text(path / MARKER, json.dumps(_FORMAT) + "\n")
        return cls(path, keep_days, keep_bytes)

    @classmethod
    def open(cls, path: Path) -> "LogFolder":
        """Open a log that is there.

        Raises
        ------
        ConfigError
            If it is no log.
        """
        if not _is_log(path):
            raise ConfigError(
                f"A verdict log must have a {MARKER}, but {path} has none. Name the folder that "
                "was given to --log-verdicts."
            )
        return cls(path)

    def files(self) -> list[Path]:
        """List the files, the oldest day first; within a day in the order of their names."""
        return sorted(self.path.glob(f"{_DAYS}/*.parquet"))

    def append(self, rows: pa.Table, name: str) -> None:
        """Add rows to the file `name` of their day, then remove what is too old or too much.

        Rows of forgotten ids, judged before that was asked for, are left out.

        Raises
        ------
        OutputError
            If they can't be written; then none is.
        """
        with self._locked():
            rows = _without(rows, self._forgotten())
            for day in pc.unique(pc.strftime(rows["time"], "%Y-%m-%d")).to_pylist():
                own = rows.filter(pc.equal(pc.strftime(rows["time"], "%Y-%m-%d"), day))
                self._append_to(self.path / day, own, name)
            self._prune()

    def forget(self, ids: Collection[str]) -> int:
        """Remove every row of these listings; the number that there were.

        A running writer's rows that aren't on the disk yet are left out once it writes them.
        """
        now = datetime.now(UTC)
        with self._locked():
            known = self._forgotten() | {_hashed(key): now for key in ids}
            fresh = {key: at.isoformat() for key, at in known.items() if now - at < REMEMBERED}
            write_text(self.path / _FORGOTTEN, json.dumps(fresh))
            n_removed = 0
            for path in self.files():
                found = pc.is_in(
                    _read(path, ["listing_id"])["listing_id"], pa.array(sorted(ids), pa.string())
                )
                if n_own := pc.sum(found).as_py():
                    _write(path, _read(path).filter(pc.invert(found)))
                    n_removed += n_own
            return n_removed

    def newest(self, at_most: int, columns: list[str] | None = None) -> pa.Table:
        """Read the newest rows, in the order in which they were judged.

        A file that goes meanwhile is passed over.

        Parameters
        ----------
        columns
            ``time`` among them; None: all.
        """
        tables: list[pa.Table] = []
        days = sorted({path.parent for path in self.files()}, reverse=True)
        for day in days:
            tables += list(_readable(day, columns))
            if sum(table.num_rows for table in tables) >= at_most:
                break
        nothing = SCHEMA.empty_table()
        rows = pa.concat_tables(tables) if tables else nothing.select(columns or SCHEMA.names)
        rows = rows.sort_by("time")
        return rows.slice(max(0, rows.num_rows - at_most))

    def _append_to(self, day: Path, rows: pa.Table, name: str) -> None:
        day.mkdir(exist_ok=True)
        number = 0
        while True:
            path = day / f"{name}-{number:04d}.parquet"
            if not path.exists():
                break
            if pq.read_metadata(path).num_rows < ROWS_A_FILE:
                rows = pa.concat_tables([_read(path), rows])
                break
            number += 1
        _write(path, rows)

    def _prune(self) -> None:
        """Remove whole files, the oldest first, until the bounds hold; the newest one stays."""
        files = self.files()
        sizes = [path.stat().st_size for path in files]
        kept = sum(sizes)
        oldest = ""
        if self.keep_days is not None:
            oldest = (datetime.now(UTC) - timedelta(days=self.keep_days - 1)).date().isoformat()
        for path, size in zip(files, sizes, strict=True):
            too_much = self.keep_bytes is not None and kept > self.keep_bytes
            if path.parent.name >= oldest and not too_much:
                break
            path.unlink(missing_ok=True)
            kept -= size
            with suppress(OSError):
                path.parent.rmdir()

    def _forgotten(self) -> dict[str, datetime]:
        try:
            said = parse_json((self.path / _FORGOTTEN).read_bytes())
            return {key: datetime.fromisoformat(at).astimezone(UTC) for key, at in said.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with output(self.path), FileLock(self.path / _LOCK):
            yield


def _is_log(path: Path) -> bool:
    try:
        said = parse_json((path / MARKER).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("kind") == _FORMAT["kind"]


def _hashed(listing_id: str) -> str:
    return hashlib.sha256(listing_id.encode("utf-8", "replace")).hexdigest()


def _without(rows: pa.Table, forgotten: dict[str, datetime]) -> pa.Table:
    """Leave out rows of forgotten listings that were judged before."""
    if not forgotten:
        return rows
    ids, times = rows["listing_id"].to_pylist(), rows["time"].to_pylist()
    gone = [
        (at := forgotten.get(_hashed(key))) is not None and time <= at
        for key, time in zip(ids, times, strict=True)
    ]
    return rows.filter(pa.array([not each for each in gone], pa.bool_()))


def _readable(day: Path, columns: list[str] | None) -> Iterator[pa.Table]:
    for path in sorted(day.glob("*.parquet")):
        with suppress(FileNotFoundError):
            yield _read(path, columns)


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a file of the log; a ConfigError if it is damaged."""
    try:
        return pq.read_table(path, schema=SCHEMA, columns=columns)
    except pa.ArrowException as error:
        raise ConfigError(
            f"{path} must be a readable Parquet file of a verdict log, but: {error}. Bring it back "
            "from a copy, or remove it: its verdicts are lost then."
        ) from error


def _write(path: Path, rows: pa.Table) -> None:
    if not rows.num_rows:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path) as partial:
        pq.write_table(rows, partial, compression="zstd")
