"""Follows a form on its way to a parser that would keep text fields of any length in memory."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ...rest.problems import ProblemError

MAX_FIELD_BYTES = 10_000


class FormWatch:
    """Reads what a form's parts say of themselves; files pass, long text doesn't.

    Parameters
    ----------
    content_type
        The request's header.

    Raises
    ------
    ProblemError
        ``malformed``, if the form has no boundary; from `read`, if it is no form; ``too-large``,
        if a part that isn't a file is longer than `MAX_FIELD_BYTES`.
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
