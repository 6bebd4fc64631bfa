"""What a request to the demo may be: its path, its click, its form."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..rest.problems import ProblemError

MAX_NAME_BYTES, MAX_FIELD_BYTES = 255, 10_000
UPLOAD, EVENT = "/gradio_api/upload", "/gradio_api/queue/join"
_WRITTEN = {UPLOAD, EVENT, "/gradio_api/cancel", "/gradio_api/reset"}
_READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(assets|static|svelte)/.+"
    r"|/gradio_api/(app_id|queue/data|upload_progress|heartbeat/\w+|file=(?![\w+.-]+:).+)",
    re.DOTALL,
)


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
        return isinstance(path, str) and Path(path).resolve().is_relative_to(root)
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
