"""Photos' details kept in a file, by content: what takes most of a close look is done once."""

import hashlib
import zlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ...core.arrays import Floats
from ...core.cache import ServingCache
from ...core.errors import PhotoError
from ...vision.load import PhotoLimits, photo_bytes
from ..index.change import DETAILS_FILE
from .photo_detail import DETAIL_PX, MAX_POINTS, PICTURE_PX, PhotoDetail, load_detail

FORMAT = 1
CACHED_DETAILS = 2048  # of 100 to 300 KB each
_N_HEADER = 6


class DetailStore:
    """Details by their photo's sha256, in ``photo_details.sqlite`` of a folder; about 60 KB each.

    Written row by row, so that a killed process leaves whole rows only. What can't be read, is
    damaged or was made by another version is made anew; the least recently used go at `max_bytes`.
    """

    def __init__(self, folder: Path, limits: PhotoLimits, max_bytes: int = 4_000_000_000) -> None:
        self._rows = ServingCache(folder, max_bytes)
        self._rows.path = folder / DETAILS_FILE
        made_by = (FORMAT, DETAIL_PX, PICTURE_PX, MAX_POINTS, cv2.__version__)
        self._made_by = f"details {made_by} {limits}"

    def read(self, hashes: Collection[str]) -> dict[str, PhotoDetail]:
        """Give back what is kept of these photos, and whole."""
        found = self._rows.read(self._made_by, sorted(hashes)) if hashes else {}
        details = {key: unpack(row) for key, row in found.items()}
        return {key: detail for key, detail in details.items() if detail is not None}

    def write(self, details: Mapping[str, PhotoDetail]) -> None:
        if details:
            self._rows.write(self._made_by, {key: pack(one) for key, one in details.items()})


class KeptDetails(Protocol):
    """Whatever keeps details by their photo's sha256."""

    def read(self, hashes: Collection[str]) -> dict[str, PhotoDetail]: ...

    def write(self, details: Mapping[str, PhotoDetail]) -> None: ...


class PhotoDetails:
    """Details of a catalogue's photos by their row, from memory, the store or the photo itself."""

    def __init__(
        self,
        sources: list[str | bytes],
        hashes: list[str | None],
        limits: PhotoLimits,
        store: KeptDetails | None = None,
    ) -> None:
        self.sources = sources
        self._hashes, self._limits, self._store = hashes, limits, store
        self._kept: dict[str, PhotoDetail] = {}
        self._fresh: dict[str, PhotoDetail] = {}
        self.of = lru_cache(maxsize=CACHED_DETAILS)(self._of)

    def fetch(self, rows: Collection[int]) -> None:
        """Read what the store has of some photos, which are compared next."""
        hashes = {digest for row in rows if (digest := self._hashes[row]) is not None}
        self._kept = self._store.read(hashes) if self._store else {}

    def keep(self) -> None:
        """Write what was made since the last time."""
        if self._store:
            self._store.write(self._fresh)
        self._fresh = {}

    def _of(self, row: int) -> PhotoDetail | None:
        digest = self._hashes[row]
        if digest is not None and digest in self._kept:
            return self._kept[digest]
        try:
            data = photo_bytes(self.sources[row])
            detail = load_detail(data, self._limits)
        except PhotoError:
            return None
        # a file may be another photo by now than when it was hashed
        if self._store and digest == hashlib.sha256(data).hexdigest():
            self._fresh[digest] = detail
        return detail


def pack(detail: PhotoDetail) -> Floats:
    """Write a detail as bytes, compressed without loss; as numbers, which is what the store keeps.

    Shape ``(n,)``, float32, of which only the bits count.
    """
    arrays = (detail.picture, detail.points, detail.descriptors)
    body = zlib.compress(b"".join(array.tobytes() for array in arrays), 1)
    height, width = detail.picture.shape[:2]
    header = np.array([height, width, len(detail.points), *detail.size, len(body)], dtype=np.int32)
    padding = b"\0" * (-len(body) % 4)
    return np.frombuffer(header.tobytes() + body + padding, dtype=np.float32)


def unpack(row: Floats) -> PhotoDetail | None:
    """Read what `pack` wrote; None if it is damaged."""
    if len(row) < _N_HEADER:
        return None
    height, width, n, *size, n_body = row[:_N_HEADER].view(np.int32).tolist()
    ends = np.cumsum([height * width * 3, n * 8, n * 128])
    try:
        body = zlib.decompress(row[_N_HEADER:].tobytes()[:n_body])
    except zlib.error:
        return None
    if len(body) != ends[-1]:
        return None
    picture, points, descriptors = (body[a:b] for a, b in zip([0, *ends], ends, strict=False))
    return PhotoDetail(
        picture=np.frombuffer(picture, dtype=np.uint8).reshape(height, width, 3),
        points=np.frombuffer(points, dtype=np.float32).reshape(n, 2),
        descriptors=np.frombuffer(descriptors, dtype=np.uint8).reshape(n, 128),
        size=(size[0], size[1]),
    )
