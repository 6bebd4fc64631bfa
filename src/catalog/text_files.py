"""A text file's bytes to text: UTF-8, or UTF-16 that says so, packed by gzip or not."""

import gzip
import zlib
from pathlib import Path

from ..core.errors import CatalogError

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decode(path: Path, encoding: str | None = None) -> str:
    """Read a text file that must be UTF-8, with or without a byte order mark, or UTF-16 with one.

    Where few lines are broken among others that are UTF-8 beyond ASCII, the broken bytes come as
    half surrogates, which cost their rows.

    Parameters
    ----------
    encoding
        The file's own, where it is another.

    Raises
    ------
    CatalogError
        If the file is empty or in another encoding; the message says where and how to convert it.
    """
    data = _unpacked(path)
    try:
        if encoding:
            text = data.decode(encoding)
        elif data[:2] in _UTF16_MARKS:
            text = data.decode("utf-16")
        else:
            _refuse_utf16(path, data)
            text = data.decode("utf-8", "surrogateescape" if _is_mostly_utf8(data) else "strict")
    except LookupError as error:
        raise CatalogError(
            f"{path}: the encoding must be one that Python knows, but is {encoding!r}. "
            "Try utf-8, utf-16 or windows-1252."
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CatalogError(
            f"{path}: must be {(encoding or error.encoding).upper()}, but byte {error.start} "
            f"(line {line}) is 0x{data[error.start]:02x}. If it was saved as Latin-1 or "
            f"Windows-1252, pass --encoding windows-1252, or convert it: "
            f"{_conversion(path, 'WINDOWS-1252')}"
        ) from error
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise CatalogError(f"{path}: must hold a header and rows, but is empty. Export it again.")
    return text


def is_packed(path: Path) -> bool:
    """Say whether a file's name says that it is packed by gzip."""
    return path.suffix.lower() == ".gz"


def unpacked_bytes(path: Path, limit: int) -> int:
    """Measure a packed file without keeping what is in it; what is beyond `limit` isn't looked at.

    A file that can't be unpacked has none: `decode` says what is wrong with it.
    """
    n_bytes = 0
    try:
        with gzip.open(path) as file:
            while n_bytes <= limit and (block := file.read(1 << 20)):
                n_bytes += len(block)
    except (OSError, EOFError, zlib.error):
        return 0
    return n_bytes


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if not is_packed(path):
        return data
    try:
        return gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CatalogError(
            f"{path}: must be packed by gzip, as its name says, but: {error}. Pack it anew."
        ) from error


def _refuse_utf16(path: Path, data: bytes) -> None:
    # A zero at every other byte of a header's letters is UTF-16, even where no mark says so.
    if data[:16].count(0) * 4 > len(data[:16]):
        raise CatalogError(
            f"{path}: must be UTF-8, but looks like UTF-16 without a mark. Pass --encoding "
            f"utf-16-le, or convert it: {_conversion(path, 'UTF-16')}"
        )


def _is_mostly_utf8(data: bytes) -> bool:
    """Say whether more lines are UTF-8 beyond ASCII than are broken, the first not among these."""
    n_good = n_broken = 0
    for number, line in enumerate(data.split(b"\n")):
        if line.isascii():
            continue
        try:
            line.decode()
            n_good += 1
        except UnicodeDecodeError:
            n_broken += 1
            if number == 0:
                return False
    return n_good > n_broken


def _conversion(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 {path.name} > utf8{path.suffix}"
