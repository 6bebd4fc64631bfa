"""A text file's bytes to text: UTF-8, or UTF-16 that says so, packed by gzip or not."""

import codecs
import gzip
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from ..core.errors import CatalogError

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BLOCK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 32 << 20


class TextSource(NamedTuple):
    """A text that has been checked, as bytes of UTF-8 that can be read anywhere.

    Parameters
    ----------
    read
        Gives the bytes from one place up to another.
    start, end
        Where the text begins, after a byte order mark, and where it ends.
    errors
        How it is to be decoded.
    """

    read: Callable[[int, int], bytes]
    start: int
    end: int
    errors: str

    def blocks(self, beyond: int = 0) -> Iterator[tuple[int, bytes]]:
        """Give the text block by block: where each begins, and its bytes and some `beyond`."""
        for start in range(self.start, self.end, BLOCK_BYTES):
            yield start, self.read(start, min(start + BLOCK_BYTES + beyond, self.end))


def open_text(path: Path, encoding: str | None = None) -> TextSource:
    """Open a text file without keeping it in memory; what it may be is as for `decode`.

    What isn't UTF-8, or packed, is kept beside as UTF-8: beyond 32 MB in a temporary file.

    Raises
    ------
    CatalogError
        As for `decode`.
    """
    if is_packed(path):
        read, end = _spooled(_unpacked_blocks(path))
    else:
        read, end = partial(_read, path), path.stat().st_size
    source = TextSource(read, 0, end, "strict")
    own = encoding or ("utf-16" if read(0, 2) in _UTF16_MARKS else None)
    try:
        b"".decode(own or "utf-8")  # a LookupError, if that is no encoding of text
        if own and codecs.lookup(own).name != "utf-8":
            read, end = _spooled(_as_utf8(source, own))
            source = TextSource(read, 0, end, "surrogatepass")
        elif own is None:
            _refuse_utf16(path, read(0, 16))
        start = len(codecs.BOM_UTF8) if source.read(0, 3) == codecs.BOM_UTF8 else 0
        source = source._replace(start=start)
        is_empty = not _has_text(source)
    except (LookupError, UnicodeError):
        broken = source.errors == "strict" and own is None and is_mostly_utf8(_lines(source))
        if not broken:
            decode(path, encoding)  # says what is wrong with it
        return source._replace(errors="surrogateescape")
    if is_empty:
        raise CatalogError(f"{path}: must hold a header and rows, but is empty. Export it again.")
    return source


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
            mostly = is_mostly_utf8(data.split(b"\n"))
            text = data.decode("utf-8", "surrogateescape" if mostly else "strict")
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
        raise _not_packed(path, error) from error


def _unpacked_blocks(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _not_packed(path, error) from error


def _not_packed(path: Path, error: Exception) -> CatalogError:
    return CatalogError(
        f"{path}: must be packed by gzip, as its name says, but: {error}. Pack it anew."
    )


def _read(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _spooled(blocks: Iterable[bytes]) -> tuple[Callable[[int, int], bytes], int]:
    """Keep bytes where they can be read from anywhere, as long as somebody holds the reader."""
    spool = _Spool()
    for block in blocks:
        spool.file.write(block)
    return spool.read, spool.file.tell()


class _Spool:
    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        weakref.finalize(self, self.file.close)

    def read(self, start: int, end: int) -> bytes:
        self.file.seek(start)
        return self.file.read(end - start)


def _as_utf8(source: TextSource, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for _, block in source.blocks():
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _has_text(source: TextSource) -> bool:
    """Say whether anything but white space is there, having decoded all; a UnicodeError if not."""
    decoder = codecs.getincrementaldecoder("utf-8")(source.errors)
    found = False
    for _, block in source.blocks():
        text = decoder.decode(block)
        found = found or bool(text.strip())
    decoder.decode(b"", final=True)
    return found


def _lines(source: TextSource) -> Iterator[bytes]:
    rest = b""
    for _, block in source.blocks():
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    yield rest


def _refuse_utf16(path: Path, data: bytes) -> None:
    # A zero at every other byte of a header's letters is UTF-16, even where no mark says so.
    if data[:16].count(0) * 4 > len(data[:16]):
        raise CatalogError(
            f"{path}: must be UTF-8, but looks like UTF-16 without a mark. Pass --encoding "
            f"utf-16-le, or convert it: {_conversion(path, 'UTF-16')}"
        )


def is_mostly_utf8(lines: Iterable[bytes]) -> bool:
    """Say whether more lines are UTF-8 beyond ASCII than are broken, the first not among these."""
    n_good = n_broken = 0
    for number, line in enumerate(lines):
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
