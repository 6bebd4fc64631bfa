"""Finds the photo that a table's row means among the files of a zip."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from ....catalog.rows import RowError, shown


class PhotoNames:
    r"""Finds the photo that a table means, though the zip may have packed it another folder deep.

    Upper and lower case, ``\\`` and ``/``, and the two ways to write an accent count as the same.

    Parameters
    ----------
    names
        The photos' paths below their folder, with ``/``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._by_file_name: dict[str, list[str]] = {}
        for name in sorted(self._names):
            self._by_file_name.setdefault(_key(name)[-1], []).append(name)

    def locate(self, written: str) -> str:
        """Give the path of the one photo that fits best.

        That is the one of exactly this path; else of this path below some folder; else of this
        file name. What leads out of the folder, or fits nothing, stays as written, for
        `read_catalog` to refuse.

        Raises
        ------
        RowError
            If several fit equally well.
        """
        key = _key(written)
        if written in self._names or not key or _leads_out(written):
            return written
        same_name = self._by_file_name.get(key[-1], [])
        below = [name for name in same_name if _key(name)[-len(key) :] == key]
        exact = [name for name in below if len(_key(name)) == len(key)]
        fitting = exact or below or same_name
        if len(fitting) > 1:
            raise RowError(
                f"photo is not unique: {shown(written)} may be {shown(fitting[0])} or "
                f"{shown(fitting[1])}; write its whole path in the zip"
            )
        return fitting[0] if fitting else written


def _key(written: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFC", written.strip().replace("\\", "/"))
    return PurePosixPath(plain.casefold()).parts


def _leads_out(written: str) -> bool:
    place = PurePosixPath(written.strip().replace("\\", "/"))
    outside = place.is_absolute() or ".." in place.parts
    return outside or re.match(r"[A-Za-z]:|[a-z][a-z0-9+.-]+://", written.strip(), re.I) is not None
