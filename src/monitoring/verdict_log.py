"""Verdicts on their way into the log: gathered in memory, written by a thread of its own.

Whoever judges hands rows over and goes on; that never waits for a disk. What isn't written yet is
lost if the process is killed: at most the last `FLUSH_S` seconds, or what a full disk held up.
"""

import logging
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from ..core.errors import OutputError
from ..embedding.listings import EmbeddedListings
from ..fusion.views import View
from ..pipeline.verdict import Verdict
from .log_folder import ROWS_A_FILE, LogFolder
from .log_rows import Link, log_rows

FLUSH_S = 5.0
FLUSH_ROWS = 500
MAX_WAITING_ROWS = 10_000
"""Rows that may wait for the disk; beyond, new ones are dropped, and counted."""
_LOG = logging.getLogger(__name__)


class VerdictLog(AbstractContextManager["VerdictLog"]):
    """Takes verdicts from any thread, and writes them a few seconds later.

    Parameters
    ----------
    keep_titles
        Whether rows have the title's text.
    """

    def __init__(
        self, folder: LogFolder, *, keep_titles: bool = False, flush_s: float = FLUSH_S
    ) -> None:
        self.folder, self.keep_titles, self.flush_s = folder, keep_titles, flush_s
        self.n_dropped = 0
        self._name = f"{datetime.now(UTC):%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}"
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._failed = False
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="shelfsure-log", daemon=True)
        self._thread.start()
        _import_what_rows_need()

    def add(
        self,
        embedded: EmbeddedListings,
        verdicts: Sequence[Verdict],
        links: Sequence[Link | None] | None = None,
        time: datetime | None = None,
    ) -> None:
        """Take the verdicts of listings that were judged; returns before they are written.

        Parameters
        ----------
        links
            As for `log_rows`.
        time
            When they were answered; None: now. What is forgotten later goes by it.
        """
        time = time or datetime.now(UTC)
        rows = log_rows(embedded, verdicts, time, links=links, keep_titles=self.keep_titles)
        with self._changed:
            if self._n_waiting + rows.num_rows > MAX_WAITING_ROWS:
                self.n_dropped += rows.num_rows
                return
            self._waiting.append(rows)
            self._n_waiting += rows.num_rows
            if self._n_waiting >= FLUSH_ROWS:
                self._changed.notify()

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self) -> None:
        closed = False
        while not closed:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or (self._n_waiting >= FLUSH_ROWS and not self._failed),
                    timeout=self.flush_s,
                )
                closed, some = self._closed, list(self._waiting)
            if some:
                self._write(some)

    def _write(self, tables: list[pa.Table]) -> None:
        """Write rows; those that can't be written wait for the next time."""
        rows, n_written, failed = pa.concat_tables(tables), 0, False
        try:
            for part in _in_files(rows):
                self.folder.append(part, self._name)
                n_written += part.num_rows
        except OutputError as error:
            if not self._failed:
                _LOG.warning("verdicts can't be logged: %s", error)
            failed = True
        self._failed = failed
        with self._changed:
            self._waiting[: len(tables)] = [rows.slice(n_written)] if failed else []
            self._n_waiting = sum(table.num_rows for table in self._waiting)


def _import_what_rows_need() -> None:
    """Lay out no row: Arrow imports pandas at its first one, which takes half a second."""
    nothing = View(np.zeros((0, 1), dtype=np.float32), np.zeros(0, dtype=bool))
    log_rows(EmbeddedListings.of_photos([], nothing, []), [], datetime.now(UTC))


def _in_files(rows: pa.Table) -> list[pa.Table]:
    return [rows.slice(start, ROWS_A_FILE) for start in range(0, rows.num_rows, ROWS_A_FILE)]
