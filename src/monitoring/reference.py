"""What logged listings are compared with: the training listings that a bundle keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import ConfigError, PhotoError
from ..embedding.listings import EmbeddedListings
from ..embedding.reading_ahead import ahead, threads
from ..pipeline.persistence import load_settings
from ..retrieval.index.rows import embedded_rows
from ..retrieval.index.store import ListingIndex
from ..retrieval.storage import INDEX
from ..vision.load import decode_photo
from ..vision.quality import SIDE_PX, assess_photo

MAX_LISTINGS = 2000
"""Training listings compared with, drawn at random if there are more."""
MAX_PHOTOS = 400
"""Of those, photos that are measured again."""


@dataclass(frozen=True)
class Reference:
    """Training listings.

    Parameters
    ----------
    embedded
        With their vectors, ids, titles and categories.
    quality
        What `vision.quality` finds about some of their photos, those that are still where they
        were; one tuple of flags a photo.
    version
        Of the bundle.
    alpha
        Share of own listings that its out-of-catalogue detector may refuse.
    """

    embedded: EmbeddedListings
    quality: Sequence[tuple[str, ...]]
    version: str
    alpha: float


def load_reference(bundle: Path) -> Reference:
    """Read a bundle's training listings; no encoder is loaded.

    Raises
    ------
    BundleError
        If the bundle can't be read.
    ConfigError
        If it keeps fewer than 2 listings, or none of them.
    """
    config, version = load_settings(bundle)
    found = None
    if (bundle / INDEX).is_dir():
        index = ListingIndex.open(bundle / INDEX)
        ids = index.ids()
        chosen = np.random.default_rng(0).permutation(len(ids))[:MAX_LISTINGS]
        found = embedded_rows(index.take([ids[row] for row in chosen.tolist()]))
    if found is None or len(found.listings) < 2:
        raise ConfigError(
            f"Drift is found by comparing with the training listings, but {bundle} keeps none. "
            "Train with `retrieval: {index: true}`."
        )
    photos = [each.image for each in found.listings if isinstance(each.image, str)]
    return Reference(found, _flags(photos[:MAX_PHOTOS]), version, config.retrieval.alpha)


def _flags(photos: Sequence[str]) -> list[tuple[str, ...]]:
    """Measure photos; those that are gone or can't be read are left out."""

    def look(path: str) -> tuple[str, ...]:
        photo = decode_photo(path, min_side_px=SIDE_PX, longer_side=True)
        return tuple(found.flag for found in assess_photo(photo).flags)

    with threads() as pool:
        return [each for each in ahead(pool, look, photos) if not isinstance(each, PhotoError)]
