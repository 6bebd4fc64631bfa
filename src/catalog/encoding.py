"""Text files in UTF-8, and what to say of those in anything else."""

from pathlib import Path

from ..core.errors import CatalogError


def decode(path: Path) -> str:
    """Read a text file that must be UTF-8, with or without a byte order mark.

    Raises
    ------
    CatalogError
        If the file is empty or in another encoding; the message says where and how to convert it.
    """
    data = path.read_bytes()
    convert = f"Convert it: iconv -f {{}} -t UTF-8 {path.name} > utf8{path.suffix}"
    # A zero at every other byte of a header's letters is UTF-16, even where no mark says so.
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:16].count(0) * 4 > len(data[:16]):
        raise CatalogError(
            f"{path}: must be UTF-8, but looks like UTF-16. {convert.format('UTF-16')}"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CatalogError(
            f"{path}: must be UTF-8, but byte {error.start} (line {line}) is "
            f"0x{data[error.start]:02x}. If it was saved as Latin-1 or Windows-1252: "
            f"{convert.format('WINDOWS-1252')}"
        ) from error
    if not text.strip():
        raise CatalogError(f"{path}: must hold a header and rows, but is empty. Export it again.")
    return text
