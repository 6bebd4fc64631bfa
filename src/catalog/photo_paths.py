r"""Where a listing's photo is: one rule for what shops write, for files, zips and the page.

``/media/A.JPG``, ``media\a.jpg`` and ``media%2Fa.jpg`` are ``media/a.jpg`` of the photos' folder.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from .listing import UnusablePhoto
from .values import RowError, as_text, is_missing, shown

URL = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)
_DATA = re.compile(r"data:[\w/+.-]*(?:;[\w=-]+)*;base64,", re.IGNORECASE)
_BASE64_STARTS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR")  # JPEG, PNG, GIF, WebP
_MIN_BASE64_CHARS = 64
_MARKS = re.compile(r"[|;,]")
_AFTER_URL = re.compile(r"[|;,\s]+(?=[a-z][a-z0-9+.-]+://)|[;,]\s+|\|", re.IGNORECASE)


class PhotoFolder:
    """Finds photos in a folder; what it has seen of the folder it remembers.

    Parameters
    ----------
    root
        A resolved folder that photos must lie in; None takes any path, from the working folder,
        just as it is written.
    locate
        Turns what is written into a path below `root`, where photos are named elsewhere; may raise
        RowError.
    """

    def __init__(self, root: Path | None, locate: Callable[[str], str] | None = None) -> None:
        self._root = root
        self._locate = locate
        self._names: dict[Path, dict[str, list[str]]] = {}

    def photo(self, value: Any) -> Path | bytes | None:
        """Take a photo from a raw value: bytes, base64, a path, or the first of several.

        Raises
        ------
        RowError
            If there is a value, but no photo can be had by it.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value) or None
        if isinstance(value, dict) and {"bytes", "path"} & value.keys():  # of Hugging Face
            data = value.get("bytes")
            return self.photo(value.get("path") if is_missing(data) else data)
        if isinstance(value, dict) and (key := next(iter({"src", "url"} & value.keys()), None)):
            return self.photo(value[key])
        if isinstance(value, list | tuple):
            return next((self.photo(one) for one in value if not is_missing(one)), None)
        if isinstance(value, str) and (data := decoded(value.strip())):
            return data
        place = as_text("image", value)
        return None if place is None else self.find(place)

    def each(self, value: Any) -> list[Any]:
        """Tell the photos apart that a raw value names: `photo` takes each of them.

        A list has several, and so has text with ``,``, ``;`` or ``|``, or a JSON list in it, where
        it isn't the path of one photo as it stands.
        """
        if isinstance(value, UnusablePhoto):
            return [value]
        if hasattr(value, "tolist") and not isinstance(value, memoryview):  # NumPy's
            value = value.tolist()
        if isinstance(value, list | tuple):
            return [one for each in value for one in self.each(each)]
        if not isinstance(value, str):
            return [] if is_missing(value) else [value]
        if not value.strip():
            return []
        parts = [value] if _DATA.match(value.strip()) else [one.strip() for one in _each(value)]
        if not parts and value.lstrip().startswith("["):  # an empty list
            return []
        return [value] if len(parts) < 2 or self._is_one(value) else parts

    def _is_one(self, place: str) -> bool:
        try:
            place = self._locate(place) if self._locate else place
            self._as_written(place)
        except _NotFoundError:
            return self._otherwise_written(place) is not None
        except RowError:
            return False
        return True

    def find(self, place: str) -> Path:
        """Resolve a photo's path; it must be a file, and inside the folder where there is one.

        A path is taken as it is written where there is such a file. Else several paths are told
        apart, of which the first counts, and spellings: see this module.

        Raises
        ------
        RowError
            If there is no such file, or more than one that fits equally.
        """
        if self._locate is not None:
            place = self._locate(place)
        try:
            return self._as_written(place)
        except _NotFoundError as error:
            first = next(_each(place), place)
            if URL.match(first):
                self._as_written(first)  # says why not
            found = self._otherwise_written(place) or self._otherwise_written(first)
            if found is None:
                raise RowError(str(error)) from None
            return found

    def _as_written(self, place: str) -> Path:
        if URL.match(place):
            raise RowError(
                "photo is a URL: photos are read from files, not from the network (first bring "
                "them by `shelfsure photos fetch`); got "
                f"{shown(place)}"
            )
        try:
            path = ((self._root or Path()) / place).resolve()
            outside = self._root is not None and not path.is_relative_to(self._root)
            found = not outside and path.is_file()
            folder = not outside and path.is_dir()
        except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle
            outside = found = folder = False
        if outside and ".." in Path(place).parts:
            raise RowError(f"photo outside the image folder: {shown(place)}")
        if outside and Path(place).is_absolute():
            raise _NotFoundError(f"photo outside the image folder: {shown(place)}")
        if outside:
            raise RowError(f"photo links to outside the image folder: {shown(place)}")
        if folder:
            raise RowError(f"photo is a folder: {shown(place)}")
        if not found:
            raise _NotFoundError(f"photo not found: {shown(place)} is no file")
        return path

    def _otherwise_written(self, place: str) -> Path | None:
        """Walk down the folder name by name, each as it is written or in another spelling."""
        parts = photo_parts(place)
        if self._root is None or not parts or ".." in parts or URL.match(place):
            return None
        path = self._root
        for part in parts:
            names = self._names_in(path).get(photo_key(part), [])
            if part not in names and len(names) > 1:
                raise RowError(
                    f"photo is not unique: {shown(place)} may be {shown(names[0])} or "
                    f"{shown(names[1])}; write it as one of them"
                )
            if not names:
                return None
            path = path / (part if part in names else names[0])
        return self._as_written(path.relative_to(self._root).as_posix())

    def _names_in(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._names:
            names: dict[str, list[str]] = {}
            try:
                for child in sorted(folder.iterdir()):
                    names.setdefault(photo_key(child.name), []).append(child.name)
            except OSError:  # no folder, or not for us
                names = {}
            self._names[folder] = names
        return self._names[folder]


class _NotFoundError(RowError):
    """There is no such photo as it is written."""


def photo_parts(written: str) -> tuple[str, ...]:
    r"""Split a path as shops write it: ``\``, ``%2F``, and ``/`` at its beginning.

    >>> photo_parts(r"\media\a%20b.JPG")
    ('media', 'a b.JPG')
    """
    plain = unquote(written.strip()).replace("\\", "/")
    return tuple(part for part in plain.split("/") if part not in {"", "."})


def photo_key(name: str) -> str:
    """Reduce a file's name to what its spellings share: its case and how accents are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def _each(place: str) -> Iterator[str]:
    """Give the paths that a field holds: one, a JSON list, or some with ``,``, ``;`` or ``|``.

    A mark within a web address belongs to it.
    """
    if place.lstrip().startswith("["):
        try:
            listed = json.loads(place)
        except ValueError:
            listed = [place]
        listed = [_address(one) for one in listed]
        yield from (one for one in listed if isinstance(one, str) and one.strip())
        return
    marks = _AFTER_URL if URL.match(place.lstrip()) else _MARKS
    yield from (one for one in marks.split(place) if one.strip())


def _address(one: Any) -> Any:
    """Take an image of a shop's JSON by its address."""
    return one.get("src") or one.get("url") or one.get("path") if isinstance(one, dict) else one


def decoded(place: str) -> bytes | None:
    """Decode a photo that is written out in base64; None if it isn't one.

    Raises
    ------
    RowError
        If it says that it is base64, but isn't.
    """
    start = _DATA.match(place)
    if start is None and not (
        place.startswith(_BASE64_STARTS) and len(place) >= _MIN_BASE64_CHARS and "." not in place
    ):
        return None
    try:
        return base64.b64decode(
            "".join(place[start.end() if start else 0 :].split()), validate=True
        )
    except (binascii.Error, ValueError) as error:
        if start is None:
            return None
        raise RowError(f"broken base64: image is {shown(place)}, but: {error}") from error
