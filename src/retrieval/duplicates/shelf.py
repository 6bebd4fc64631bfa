"""Listings as the duplicate search sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from ...catalog.listing import Listing
from ...core.arrays import Floats
from ...core.errors import PhotoError
from ...embedding.embedder import Embedded
from ...embedding.encoders import ImageEncoder
from ...fusion.views import Features, View
from ...vision.load import PhotoLimits

PhotoView: TypeAlias = Literal["cropped", "mirrored"]
CROP_FRACTION = 0.75
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Shelf:
    """Listings with what is known of them.

    Parameters
    ----------
    listings
        The listings; ids are unique.
    photo
        Unit vectors of the photos, one row a listing; rows that aren't present are passed over.
    photo_hashes
        A digest of each photo's bytes, ``None`` where there is none.
    title
        Unit vectors of the titles; ``None`` if there are none.
    """

    listings: Sequence[Listing]
    photo: View
    photo_hashes: Sequence[str | None]
    title: View | None = None

    def __post_init__(self) -> None:
        lengths = [len(self.listings), len(self.photo.present), len(self.photo_hashes)]
        lengths += [] if self.title is None else [len(self.title.present)]
        if len(set(lengths)) > 1:
            raise ValueError(
                "listings, photo vectors, photo hashes and title vectors must be of one length, "
                f"but are of {lengths}."
            )

    @classmethod
    def of(cls, listings: Sequence[Listing], embedded: Embedded) -> "Shelf":
        """Take what `Embedder.embed` gave for these listings."""
        return cls(listings, embedded.photo, embedded.photo_hashes, embedded.title)

    def distinct_photos(self) -> list[list[int]]:
        """Gather the rows of each distinct photo, in the order of each one's first row."""
        rows: dict[str | int, list[int]] = {}
        for row in np.flatnonzero(self.photo.present).tolist():
            digest = self.photo_hashes[row]
            rows.setdefault(row if digest is None else digest, []).append(row)
        return list(rows.values())

    def photo_vectors(self, rows: Sequence[int]) -> Floats:
        """Vectors of some listings' photos, shape ``(len(rows), d)``."""
        return _dense(self.photo.features[np.array(rows, dtype=np.intp)])


def title_similarity(a: Shelf, row_a: int, b: Shelf, row_b: int) -> float | None:
    """Cosine of two titles' vectors; ``None`` where one is missing."""
    if a.title is None or b.title is None:
        return None
    if not (a.title.present[row_a] and b.title.present[row_b]):
        return None
    one, other = (
        _dense(view.features[[row]])[0] for view, row in ((a.title, row_a), (b.title, row_b))
    )
    return float(one @ other)


def embed_views(
    sources: Sequence[Any],
    encoder: ImageEncoder,
    views: Sequence[PhotoView],
    limits: PhotoLimits,
    *,
    progress: bool = False,
) -> list[Floats]:
    """Embed each photo once more for each view; it is decoded once for all.

    Parameters
    ----------
    sources
        Paths or bytes.
    encoder
        What embedded the photos as they are.
    views
        ``cropped``: the middle three quarters of both sides; ``mirrored``: left to right.

    Returns
    -------
    list of Floats
        For each view shape ``(n, d)``, unit length; zero where a photo can't be used.
    """
    vectors = [np.zeros((len(sources), encoder.dim), dtype=np.float32) for _ in views]
    if not views:
        return vectors
    bar = tqdm(total=len(sources), desc="Embedding views", disable=None if progress else True)
    with bar:
        for start in range(0, len(sources), _BATCH):
            rows, squares = [], []
            for row in range(start, min(start + _BATCH, len(sources))):
                try:
                    squares.append(encoder.prepare(encoder.decode(sources[row], limits)))
                    rows.append(row)
                except PhotoError:  # its row stays zero, and is near to nothing
                    continue
            for view, features in zip(views, vectors, strict=True):
                if rows:
                    features[rows] = encoder.encode([_VIEWS[view](square) for square in squares])
            bar.update(min(_BATCH, len(sources) - start))
    return vectors


def _dense(features: Features) -> Floats:
    rows = features if isinstance(features, np.ndarray) else features.toarray()
    return np.asarray(rows, dtype=np.float32)


def _cropped(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    side = len(square)
    margin = round(side * (1 - CROP_FRACTION) / 2)
    middle = Image.fromarray(square[margin : side - margin, margin : side - margin])
    return np.array(middle.resize((side, side), Image.Resampling.BICUBIC))


def _mirrored(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(square[:, ::-1])


_VIEWS = {"cropped": _cropped, "mirrored": _mirrored}
