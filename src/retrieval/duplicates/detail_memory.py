"""Details of the photos that uploads are compared with again and again, kept in memory."""

import threading
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

from ...vision.load import PhotoLimits
from .detail_store import DetailStore
from .photo_detail import PhotoDetail

MAX_DETAILS = 1000  # of 100 to 300 KB each


class DetailMemory:
    """The details that were asked for last, before a store; for many threads at once.

    Parameters
    ----------
    store
        Has the others; None: they are made anew.
    """

    def __init__(self, store: DetailStore | None, max_details: int = MAX_DETAILS) -> None:
        self._store, self._max_details = store, max_details
        self._details: dict[str, PhotoDetail] = {}
        self._lock = threading.Lock()

    def read(self, hashes: Collection[str]) -> dict[str, PhotoDetail]:
        """Give back what is kept of these photos, by their sha256."""
        with self._lock:
            found = {key: self._details[key] for key in hashes if key in self._details}
        if self._store:
            found |= self._store.read([key for key in hashes if key not in found])
        self._keep(found)
        return found

    def write(self, details: Mapping[str, PhotoDetail]) -> None:
        self._keep(details)
        if self._store:
            self._store.write(details)

    def _keep(self, details: Mapping[str, PhotoDetail]) -> None:
        with self._lock:
            for key, detail in details.items():  # the latest last
                self._details.pop(key, None)
                self._details[key] = detail
            for key in list(self._details)[: max(0, len(self._details) - self._max_details)]:
                del self._details[key]


@lru_cache(maxsize=4)
def catalogue_details(folder: Path | None, limits: PhotoLimits) -> DetailMemory:
    """Give this process's memory of catalogue photos; a photo's bytes say all, so all may share it.

    Parameters
    ----------
    folder
        Where they are kept beyond this process as well; None: nowhere.
    limits
        What a photo may be.
    """
    return DetailMemory(DetailStore(folder, limits) if folder else None)
