"""A zip of photos from somebody unknown, unpacked so that nothing lands where it shouldn't."""

import re
import shutil
import stat
import struct
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ....core.errors import CatalogError

_BLOCK = 1 << 20
_SPARE_BYTES, _ALWAYS_ALLOWED_BYTES, _DIRECTORY_BYTES_PER_FILE = 200_000_000, 10_000_000, 512
_LITTER = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"})
_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)
"""A RuntimeError: it is encrypted, or packed by a method that zipfile doesn't know."""
MAX_FILES, MAX_FILE_BYTES, MAX_TOTAL_BYTES = 20_000, 100_000_000, 4_000_000_000
"""Unpacked, litter of operating systems left out; checked as declared and again as written."""
MAX_UNPACKED_BYTES = 8_000_000_000
"""Of all zips whose photos are still needed."""
_MAX_RATIO = 200
"""Unpacked over packed size of a file above 10 MB; photos hardly shrink."""


_unpacked: dict[Path, int] = {}
"""Folder -> bytes unpacked into it, of folders that are still there."""
_counting = threading.Lock()


def unpacked_bytes() -> int:
    """Count what is unpacked, or about to be, and not removed yet."""
    with _counting:
        for folder in [folder for folder in _unpacked if not folder.is_dir()]:
            del _unpacked[folder]
        return sum(_unpacked.values())


def keep_only(folder: Path, wanted: Iterable[Path]) -> None:
    """Remove all that was unpacked into a folder but these files: its job is done."""
    kept, n_bytes = {path.resolve() for path in wanted}, 0
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.resolve() in kept:
            n_bytes += path.stat().st_size
        else:
            path.unlink(missing_ok=True)
    with _counting:
        if folder in _unpacked:
            _unpacked[folder] = n_bytes


def _reserve(folder: Path, n_bytes: int) -> bool:
    """Count bytes before they are written; False if they would be too many."""
    if unpacked_bytes() + n_bytes > MAX_UNPACKED_BYTES:
        return False
    with _counting:
        _unpacked[folder] = n_bytes
    return True


def unpack_photos(archive: Path, into: Path) -> list[str]:
    """Unpack a zip into an empty folder, or refuse it as a whole.

    Everything is looked at before anything is written. Only plain files are taken; each is opened
    as new, so none can replace another or go through a link.

    Returns
    -------
    list of str
        The files' paths below `into`, with ``/``.

    Raises
    ------
    CatalogError
        If it is no zip, is damaged, encrypted, larger than allowed, or has a file that would land
        outside the folder, twice in the same place, or as anything but a file.
    """
    name = archive.name
    try:
        _check_directory_size(archive)
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, name)
            n_bytes = sum(member.file_size for member in members.values())
            free = shutil.disk_usage(into).free
            if free < n_bytes + _SPARE_BYTES or not _reserve(into, n_bytes):
                raise CatalogError(
                    f"{name}: its {n_bytes:,} bytes, unpacked, must fit on the server's disk, but "
                    "there is no room for them now. Upload fewer photos, or try again later."
                )
            left = MAX_TOTAL_BYTES
            for place, member in members.items():
                left -= _write(opened, member, into / place, min(left, MAX_FILE_BYTES))
    except _DAMAGED as error:
        raise CatalogError(
            f"{name}: must be a whole zip file, but can't be read as one ({error}). Zip it again."
        ) from error
    except OSError as error:
        raise CatalogError(
            f"{name}: its files must be storable each under its own name, but: {error.strerror}. "
            "Shorten or rename them, or upload fewer at once."
        ) from error
    return list(members)


def _check_directory_size(archive: Path) -> None:
    """Refuse millions of entries before they are read into memory."""
    with archive.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - (1 << 16) - 22 - 20))
        tail = file.read()
        place = tail.rfind(b"PK\x05\x06")
        if place < 0:
            raise zipfile.BadZipFile("there is no zip directory in it")
        (n_bytes,) = struct.unpack_from("<I", tail, place + 12)
        if tail[max(0, place - 20) : place].startswith(b"PK\x06\x07"):  # zip64 stands before it
            (record,) = struct.unpack_from("<Q", tail, place - 20 + 8)
            file.seek(min(record, end))
            (n_bytes,) = struct.unpack_from("<Q", file.read(56), 40)
    if n_bytes > MAX_FILES * _DIRECTORY_BYTES_PER_FILE:
        raise CatalogError(_too_many(archive.name))


def _members(opened: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Choose the photos, each with its path below the folder; refuse what isn't safe."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        place = _safe_place(member, name)
        if member.is_dir() or _LITTER & set(place.parts) or place.name.startswith("._"):
            continue
        _check_member(member, str(place), name)
        if str(place) in members:
            raise CatalogError(
                f"{name}: each file must be there once, but {str(place)!r} is there twice. "
                "Zip the folder again."
            )
        members[str(place)] = member
        if len(members) > MAX_FILES:
            raise CatalogError(_too_many(name))
    if not members:
        raise CatalogError(f"{name}: must hold photos, but holds no file. Zip them again.")
    total = sum(member.file_size for member in members.values())
    if total > MAX_TOTAL_BYTES:
        raise CatalogError(
            f"{name}: may hold at most {MAX_TOTAL_BYTES:,} bytes unpacked, but declares "
            f"{total:,}. Upload fewer photos at once, or smaller ones."
        )
    return members


def _safe_place(member: zipfile.ZipInfo, name: str) -> PurePosixPath:
    """Turn a member's name into a path that stays below the folder."""
    written = member.filename
    if not member.flag_bits & _UTF8_NAME:
        try:  # macOS writes UTF-8 without saying so
            written = written.encode("cp437").decode()
        except UnicodeError:
            written = member.filename
    written = unicodedata.normalize("NFC", written).replace("\\", "/")
    place = PurePosixPath(written)
    if place.is_absolute() or re.match("[A-Za-z]:", written) or ".." in place.parts:
        raise CatalogError(
            f"{name}: every file must lie inside the zip's own folder, but {written[:80]!r} leads "
            "out of it. Zip the folder of photos again."
        )
    return place


def _check_member(member: zipfile.ZipInfo, place: str, name: str) -> None:
    shown = repr(place[:80])
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise CatalogError(
            f"{name}: must hold plain files, but {shown} is a link or a device. "
            "Zip the photos themselves."
        )
    if member.flag_bits & _ENCRYPTED:
        raise CatalogError(
            f"{name}: must have no password, but {shown} is encrypted. Zip it without one."
        )
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise CatalogError(
            f"{name}: files must be stored or deflated, but {shown} is packed in another way "
            f"(method {member.compress_type}). Zip it with the usual settings."
        )
    if member.file_size > MAX_FILE_BYTES:
        raise CatalogError(
            f"{name}: a file may have at most {MAX_FILE_BYTES:,} bytes, but {shown} "
            f"declares {member.file_size:,}. Shrink the photo."
        )
    packed = max(1, member.compress_size)
    if member.file_size > max(_ALWAYS_ALLOWED_BYTES, _MAX_RATIO * packed):
        raise CatalogError(
            f"{name}: a large file may shrink at most {_MAX_RATIO} times, but {shown} goes "
            f"from {packed:,} to {member.file_size:,} bytes. Save the photo as JPEG or PNG."
        )


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, max_bytes: int) -> int:
    """Write one file and count its bytes, whatever was declared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n_bytes = 0
    with opened.open(member) as source, path.open("xb") as target:
        while block := source.read(_BLOCK):
            n_bytes += len(block)
            if n_bytes > max_bytes:
                raise zipfile.BadZipFile(f"{member.filename[:80]!r} is larger than declared")
            target.write(block)
    return n_bytes


def _too_many(name: str) -> str:
    return (
        f"{name}: may hold at most {MAX_FILES:,} files, but holds more. "
        "Upload fewer photos at once."
    )
