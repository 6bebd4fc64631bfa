"""What of the demo may be reached from outside, and what it may be sent.

Gradio's web server has many more doors than its page uses: calls by name, a proxy, recordings, an
editor. They are shut here, and what comes through the open ones is looked at first: a body's size
and pace, and that each file was uploaded here, since Gradio would fetch URLs, too.
"""

import logging
import re
import shutil
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from ..rest.limits import MEGABYTE, BodyLimits, Limits
from ..rest.problems import ProblemError
from .uploads.archives import unpacked_bytes

_LOG = logging.getLogger(__name__)
NO_ROOM = "There is no room for more uploads now. Try again later."
_IGNORED = {b"x-forwarded-host", b"x-gradio-server"}
"""Headers by which Gradio would let anybody choose the address that its page asks."""
MAX_NAME_BYTES, MAX_FIELD_BYTES = 255, 10_000
UPLOAD, EVENT = "/gradio_api/upload", "/gradio_api/queue/join"
_WRITTEN = {UPLOAD, EVENT, "/gradio_api/cancel", "/gradio_api/reset"}
_READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(assets|static|svelte)/.+"
    r"|/gradio_api/(app_id|queue/data|upload_progress|heartbeat/\w+|file=(?![\w+.-]+:).+)",
    re.DOTALL,
)
MAX_UPLOAD_BYTES, UPLOAD_S = 500 * MEGABYTE, 600.0
"""Of one upload, such as a zip of a catalogue's photos; the seconds it may take to arrive."""
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
            kept = sum(n for _, n in self._kept) + unpacked_bytes()
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


def check_door(method: str, path: str) -> None:
    """Let through what the page asks for; else ``not-found`` or ``method-not-allowed``."""
    allowed = {"POST"} if path in _WRITTEN else {"GET", "HEAD"} if _READ.fullmatch(path) else set()
    too_long = max(len(name) for name in path.encode().split(b"/")) > MAX_NAME_BYTES
    if not allowed or too_long:
        raise ProblemError("not-found", "Not Found")
    if method not in allowed:
        headers = {"Allow": ", ".join(sorted(allowed))}
        raise ProblemError("method-not-allowed", "Method Not Allowed", headers=headers)


def read_event(body: bytes) -> Any:
    """Read a click's JSON; a ``malformed`` problem, if it is no object."""
    try:
        asked = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ProblemError("malformed", f"The body must be JSON, but: {error}.") from error
    if not isinstance(asked, dict):
        raise ProblemError("malformed", "The body must be a JSON object.")
    return asked


def check_event(asked: dict[str, Any], events: Collection[int], uploads: Path) -> None:
    """Let a click through if it is one of the page's, and every file in it was uploaded.

    Else an ``invalid`` problem.
    """
    number = asked.get("fn_index")
    if type(number) is not int or number not in events:
        raise ProblemError("invalid", "`fn_index` must be one of the page's events. Reload it.")
    root = uploads.resolve()
    inside: list[Any] = [asked]
    while inside:
        value = inside.pop()
        if isinstance(value, list):
            inside += value
        elif isinstance(value, dict):
            inside += value.values()
            if value.get("path") is not None and not _lies_in(value["path"], root):
                raise ProblemError("invalid", "A file must have been uploaded here. Upload it.")


def _lies_in(path: Any, root: Path) -> bool:
    try:
        place = Path(path).resolve() if isinstance(path, str) else root
        # a folder is no upload, and Gradio, told that it is, would never delete anything again
        return place != root and place.is_relative_to(root) and not place.is_dir()
    except (OSError, ValueError):  # a zero byte, a name that is too long
        return False


class FormWatch:
    """Follows a form on its way to a parser that would keep text fields of any length in memory.

    Files pass. A part that isn't a file is ``too-large`` beyond `MAX_FIELD_BYTES`; what is no form,
    or has no boundary in its `content_type`, is ``malformed``.
    """

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        self._header, self._value = b"", b""
        self._disposition = b""
        self._is_file, self._n_bytes = False, 0
        try:
            self._parser = MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._name,
                    "on_header_value": self._said,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                },
            )
        except FormParserError as error:
            raise _malformed(error) from error

    def read(self, data: bytes) -> None:
        """Follow the next bytes of the body."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed(error) from error

    def _begin(self) -> None:
        self._disposition, self._is_file, self._n_bytes = b"", False, 0

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _said(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        self._is_file = b"filename" in parse_options_header(self._disposition)[1]

    def _data(self, _: bytes, start: int, end: int) -> None:
        self._n_bytes += end - start
        if not self._is_file and self._n_bytes > MAX_FIELD_BYTES:
            raise ProblemError("too-large", "What isn't a file must be short. Send files.")


def _malformed(error: Exception) -> ProblemError:
    return ProblemError("malformed", f"The form can't be read: {error}.")
