"""The embedding cache: one SQLite file of vectors, keyed by encoder and content.

SQLite gives what a cache shared by processes needs: a row is there whole or not at all, writers
wait for each other, and a killed process leaves a readable file.
"""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .arrays import Floats
from .errors import CacheError

DEFAULT_MAX_BYTES = 2_000_000_000
_LOG = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Folder of the cache: ``$SHELFSURE_CACHE_DIR``, else the system's place for caches."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("SHELFSURE_CACHE_DIR") or user_cache_path("shelfsure"))


@dataclass(frozen=True)
class CacheInfo:
    """What the cache holds; `n_bytes` counts the vectors, `max_bytes` is their bound."""

    path: Path
    n_vectors: int
    n_encoders: int
    n_bytes: int
    max_bytes: int


class EmbeddingCache:
    """Vectors by ``(encoder, content)``; the least recently used go when it is full.

    Parameters
    ----------
    directory
        Where ``embeddings.sqlite`` lies; made if missing.
    max_bytes
        Bound on the vectors' total size. After a write that passes it, the least recently used
        vectors are removed until nine tenths are left.
    """

    def __init__(self, directory: Path | None = None, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = (directory or default_cache_dir()) / "embeddings.sqlite"
        self.max_bytes = max_bytes
        self._unlooked_bytes, self._look_after_bytes = 0, 0

    def read(self, encoder: str, contents: Sequence[str]) -> dict[str, Floats]:
        """Find float32 vectors, shape ``(dim,)``, by content hash; what isn't there is left out.

        `encoder` is its fingerprint, with everything else that changes its output.
        """
        wanted = json.dumps(list(contents))
        these = "WHERE encoder = ? AND content IN (SELECT value FROM json_each(?))"
        with self._connect() as db:
            found = db.execute(
                f"SELECT content, vector FROM embeddings {these}",  # noqa: S608
                (encoder, wanted),
            ).fetchall()
            db.execute(
                f"UPDATE embeddings SET used = ? {these}",  # noqa: S608
                (time.time(), encoder, wanted),
            )
        whole = [(key, blob) for key, blob in found if len(blob) % 4 == 0]
        return {key: np.frombuffer(blob, dtype=np.float32) for key, blob in whole}

    def write(self, encoder: str, vectors: Mapping[str, Floats]) -> None:
        """Keep vectors (content hash -> shape ``(dim,)``); make room if the bound is passed."""
        now = time.time()
        rows = [
            (encoder, key, np.ascontiguousarray(vector, dtype=np.float32).tobytes(), now)
            for key, vector in vectors.items()
        ]
        self._unlooked_bytes += sum(len(row[2]) for row in rows)
        with self._connect() as db:
            db.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", rows)
            if self._unlooked_bytes >= self._look_after_bytes:
                self._make_room(db)

    def info(self) -> CacheInfo:
        with self._connect() as db:
            n_vectors, n_encoders, n_bytes = db.execute(
                "SELECT COUNT(*), COUNT(DISTINCT encoder), COALESCE(SUM(LENGTH(vector)), 0)"
                " FROM embeddings"
            ).fetchone()
        return CacheInfo(self.path, n_vectors, n_encoders, n_bytes, self.max_bytes)

    def clear(self) -> int:
        """Remove every vector and give the disk space back; the number removed.

        Needs no room on the disk: what SQLite keeps meanwhile is in memory.
        """
        with self._connect(frugal=True) as db:
            removed = db.execute("DELETE FROM embeddings").rowcount
        with self._connect(frugal=True) as db:  # anew: no transaction may be open around it
            db.execute("VACUUM")
        return int(removed)

    def _make_room(self, db: sqlite3.Connection) -> None:
        """Remove what is too much; to count takes longer the more there is, so not at each write.

        Others may write, too: it is counted again after a fiftieth of the bound at the latest.
        """
        (n_bytes,) = db.execute(
            "SELECT COALESCE(SUM(LENGTH(vector)), 0) FROM embeddings"
        ).fetchone()
        room = max(self.max_bytes - n_bytes, 0)
        self._unlooked_bytes, self._look_after_bytes = 0, min(room, self.max_bytes // 50)
        if n_bytes <= self.max_bytes:
            return
        db.execute(
            "DELETE FROM embeddings WHERE rowid IN (SELECT rowid FROM (SELECT rowid,"
            " SUM(LENGTH(vector)) OVER (ORDER BY used DESC, rowid DESC) AS newer FROM embeddings)"
            " WHERE newer > ?)",
            (self.max_bytes * 0.9,),
        )

    @contextmanager
    def _connect(self, *, frugal: bool = False) -> Iterator[sqlite3.Connection]:
        """Open, commit on success, roll back on an error, close; if frugal, write nothing else."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # IMMEDIATE: a writer waits its turn before it reads, so that two can't block each other
            with closing(sqlite3.connect(self.path, timeout=60, isolation_level="IMMEDIATE")) as db:
                if frugal:
                    db.execute("PRAGMA journal_mode = MEMORY")
                    db.execute("PRAGMA temp_store = MEMORY")
                db.execute(
                    "CREATE TABLE IF NOT EXISTS embeddings (encoder TEXT, content TEXT,"
                    " vector BLOB NOT NULL, used REAL NOT NULL, PRIMARY KEY (encoder, content))"
                )
                with db:
                    yield db
        except (sqlite3.Error, OSError) as error:
            raise CacheError(
                f"The embedding cache {self.path} must be a readable SQLite file, but: {error}. "
                "Remove the file, set SHELFSURE_CACHE_DIR to another folder, or pass --no-cache."
            ) from error


class ServingCache(EmbeddingCache):
    """A server's cache: while its file can't be read or written (a full disk), it knows nothing.

    Answers take longer then, no more.
    """

    def read(self, encoder: str, contents: Sequence[str]) -> dict[str, Floats]:
        try:
            return super().read(encoder, contents)
        except CacheError as error:
            _LOG.warning("embedding anew: %s", error)
            return {}

    def write(self, encoder: str, vectors: Mapping[str, Floats]) -> None:
        try:
            super().write(encoder, vectors)
        except CacheError as error:
            _LOG.warning("an embedding isn't kept: %s", error)
