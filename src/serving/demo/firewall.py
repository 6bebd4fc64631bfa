"""What of the demo may be reached from outside, and what it may be sent.

Gradio's web server has many more doors than its page uses: calls by name, a proxy, recordings, an
editor. They are shut here, and what comes through the open ones is looked at first: a body's size
and pace, and that each file was uploaded here, since Gradio would fetch URLs, too.
"""

import logging
import shutil
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from ..rest.limits import MEGABYTE, BodyLimits, Limits
from ..rest.problems import ProblemError
from .request_checks import EVENT, UPLOAD, FormWatch, check_door, check_event, read_event

_LOG = logging.getLogger(__name__)
NO_ROOM = "There is no room for more uploads now. Try again later."
_IGNORED = {b"x-forwarded-host", b"x-gradio-server"}
"""Headers by which Gradio would let anybody choose the address that its page asks."""
MAX_UPLOAD_BYTES, UPLOAD_S = 500 * MEGABYTE, 600.0
"""Of one upload, and the seconds it may take to arrive."""
MAX_UPLOADING_BYTES, MAX_KEPT_BYTES, KEPT_S = 2_000 * MEGABYTE, 8_000 * MEGABYTE, 3600.0
"""Of all uploads under way, and of all in the time for which they are kept."""
SPARE_BYTES = 200 * MEGABYTE
"""To be left free on the disk."""
MAX_EVENT_BYTES = MEGABYTE
"""Of one click: what was typed, and the names of files."""


@dataclass
class Firewall:
    """ASGI middleware before the demo; `events` are the page's, Gradio puts files in `uploads`."""

    app: Any
    events: Collection[int]
    uploads: Path

    def __post_init__(self) -> None:
        self._kept: deque[tuple[float, int]] = deque()
        of_upload = Limits(MAX_UPLOAD_BYTES, MAX_UPLOADING_BYTES, upload_s=UPLOAD_S)
        self._uploading = BodyLimits(self.app, of_upload)
        self._clicking = BodyLimits(self._checked, Limits(MAX_EVENT_BYTES, 64 * MAX_EVENT_BYTES))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            check_door(scope["method"], scope["path"])
            scope = {**scope, "headers": [h for h in scope["headers"] if h[0] not in _IGNORED]}
            if scope["path"] == UPLOAD:
                await self._upload(scope, receive, send)
            elif scope["method"] == "POST":
                await self._clicking(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        except ProblemError as problem:
            await problem.response(scope)(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        known = declared.isdecimal() and len(declared) < 19
        n_bytes = min(int(declared) if known else MAX_UPLOAD_BYTES, 10**18)
        now = time.monotonic()
        while self._kept and self._kept[0][0] < now - KEPT_S:
            self._kept.popleft()
        clear_abandoned(self.uploads, KEPT_S)
        if n_bytes <= MAX_UPLOAD_BYTES:  # else it is refused for that
            kept = sum(n for _, n in self._kept)
            there = next(place for place in (self.uploads, *self.uploads.parents) if place.exists())
            free = shutil.disk_usage(there).free - SPARE_BYTES
            if kept + n_bytes > MAX_KEPT_BYTES or n_bytes > free:
                raise ProblemError("busy", NO_ROOM, retry_after_s=600)
            self._kept.append((now, n_bytes))
        await self._received(scope, receive, send)

    async def _received(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on; what Gradio makes an error of its own is the form's, or the disk's."""
        failed = False
        watch = FormWatch(Headers(scope=scope).get("content-type", ""))

        async def watched() -> Message:
            message = await receive()
            watch.read(message.get("body", b""))
            return message

        async def unless_failed(message: Message) -> None:
            nonlocal failed
            failed |= message.get("status", 0) >= 500
            if not failed:
                await send(message)

        try:
            await self._uploading(scope, watched, unless_failed)
        except ProblemError:
            raise
        except OSError as error:
            _LOG.warning("an upload couldn't be stored: %s", error.strerror)
            raise ProblemError("busy", NO_ROOM, retry_after_s=600) from error
        except Exception as error:
            if not failed:
                raise
            raise ProblemError(
                "malformed", "The form can't be read. Send its files as `files`."
            ) from error

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what was looked at, written anew, so that nobody reads it in another way."""
        body = await Request(scope, receive).body()
        asked = read_event(body)
        if scope["path"] == EVENT:
            check_event(asked, self.events, self.uploads)
        message: Message = {"type": "http.request", "body": to_json(asked), "more_body": False}
        left = [message]

        async def replayed() -> Message:
            return left.pop() if left else await receive()

        await self.app(scope, replayed, send)


def clear_abandoned(uploads: Path, older_s: float) -> None:
    """Remove what uploads that broke off have left: files that never got a folder of their own."""
    if not uploads.is_dir():
        return
    for path in uploads.iterdir():
        try:
            if path.is_file() and path.stat().st_mtime < time.time() - older_s:
                path.unlink()
        except FileNotFoundError:
            continue  # another server's broom was faster
