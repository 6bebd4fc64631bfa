"""Verdicts to another program as they are made: a signed message each, tried again until it is in.

Whoever judges hands verdicts over and goes on. What waits is kept in memory alone: a process that
is killed loses it.
"""

import heapq
import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..core import webhooks
from ..core.errors import WebhookError
from ..pipeline.verdict import Verdict

DELAYS_S = (2.0, 10.0, 60.0, 300.0)
"""Between tries, each a little longer by chance; after the last one a message is given up."""
MAX_WAITING = 2_000
"""Messages that may wait; beyond, new ones are dropped, and counted."""
CLOSE_S = 10.0
_LOG = logging.getLogger(__name__)


@dataclass(order=True)
class _Message:
    due_s: float
    number: int
    message_id: str = field(compare=False)
    body: bytes = field(compare=False)
    n_tries: int = field(default=0, compare=False)


class VerdictWebhook(AbstractContextManager["VerdictWebhook"]):
    """Posts verdicts to an address, from a thread of its own.

    Parameters
    ----------
    url, key
        As `webhooks.check_address` lets them pass.
    every
        Post accepted listings' verdicts, too.
    delays_s, max_waiting
        See `DELAYS_S` and `MAX_WAITING`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        every: bool = False,
        delays_s: Sequence[float] = DELAYS_S,
        max_waiting: int = MAX_WAITING,
        send: Callable[[str, bytes, str, str], None] = webhooks.send,
    ) -> None:
        self.url, self.every, self.delays_s, self.max_waiting = url, every, delays_s, max_waiting
        self.n_sent = self.n_given_up = self.n_dropped = 0
        self._key, self._send = key, send
        self._waiting: list[_Message] = []
        self._number = 0
        self._changed = threading.Condition()
        self._end_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="shelfsure-webhook", daemon=True)
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Messages that aren't in yet."""
        return len(self._waiting)

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Take the verdicts to post of some that were made now; never waits, never raises."""
        wanted = [each for each in verdicts if self.every or each.decision != "accept"]
        if not wanted:
            return
        with self._changed:
            for verdict in wanted:
                if self._end_s is not None or len(self._waiting) >= self.max_waiting:
                    self.n_dropped += 1
                    continue
                self._number += 1
                message = _Message(
                    time.monotonic(), self._number, f"msg_{uuid.uuid4().hex}", _body(verdict)
                )
                heapq.heappush(self._waiting, message)
            self._changed.notify()

    def close(self) -> None:
        """Try what waits once more, for some seconds at most, and end."""
        with self._changed:
            self._end_s = time.monotonic() + CLOSE_S
            self._changed.notify()
        self._thread.join(CLOSE_S + webhooks.TIMEOUT_S)
        if self.n_waiting:
            _LOG.warning("%d verdicts weren't posted", self.n_waiting)

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self) -> None:
        while (message := self._next()) is not None:
            try:
                self._send(self.url, message.body, self._key, message.message_id)
            except Exception as error:  # noqa: BLE001 (whatever it is, the next one goes out)
                self._failed(message, error)
            else:
                self.n_sent += 1

    def _next(self) -> _Message | None:
        """Wait for a message that is due; None at the end."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._end_s is not None:  # all are due, until there is no time left
                    return heapq.heappop(self._waiting) if self._more(now) else None
                pause_s = self._waiting[0].due_s - now if self._waiting else None
                if pause_s is not None and pause_s <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(pause_s)

    def _more(self, now: float) -> bool:
        return bool(self._waiting) and now < (self._end_s or 0.0)

    def _failed(self, message: _Message, error: Exception) -> None:
        final = isinstance(error, WebhookError) and error.final
        with self._changed:
            ending = self._end_s is not None
            if final or ending or message.n_tries >= len(self.delays_s):
                self.n_given_up += 1
                _LOG.warning("a verdict is not posted: %s", error)
                return
            if message.n_tries == 0:
                _LOG.info("a verdict will be posted again: %s", error)
            delay_s = self.delays_s[message.n_tries] * random.uniform(1.0, 1.25)  # noqa: S311
            message.due_s, message.n_tries = time.monotonic() + delay_s, message.n_tries + 1
            heapq.heappush(self._waiting, message)


def _body(verdict: Verdict) -> bytes:
    """Write a message: its type, when it was made, and the verdict as everywhere."""
    message = {
        "type": f"verdict.{verdict.decision}",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": verdict.model_dump(mode="json"),
    }
    return json.dumps(message).encode()
