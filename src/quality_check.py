"""Photo quality for many listings: decoded small, in threads, nothing kept."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import PhotoError
from .listings.listing import Listing
from .verdict import Verdict
from .vision.encoder import PhotoLimits
from .vision.load import decode_photo, photo_bytes
from .vision.quality import SIDE_PX, PhotoFlag, assess_photo


def with_quality(
    verdicts: Sequence[Verdict], listings: Sequence[Listing], limits: PhotoLimits
) -> list[Verdict]:
    """Add to each verdict what could be better about its listing's photo.

    A photo is read and decoded anew, because its embedding may have come from the cache. A rejected
    listing stays as it is.

    Parameters
    ----------
    verdicts, listings
        As many of each, in the same order.
    limits
        As for embedding.
    """
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(
            lambda verdict, listing: (
                () if verdict.decision == "rejected" else photo_flags(listing.image, limits)
            ),
            verdicts,
            listings,
        )
        return [
            verdict.model_copy(update={"quality": flags}) if flags else verdict
            for verdict, flags in zip(verdicts, found, strict=True)
        ]


def photo_flags(source: str | Path | bytes | None, limits: PhotoLimits) -> tuple[PhotoFlag, ...]:
    """Say what could be better about a photo; nothing where there is none, or it can't be read."""
    if source is None:
        return ()
    try:
        photo = decode_photo(
            photo_bytes(source),
            max_pixels=limits.max_pixels,
            allow_truncated=limits.allow_truncated,
            min_side_px=SIDE_PX,
            longer_side=True,
        )
    except PhotoError:  # gone since it was embedded
        return ()
    return assess_photo(photo).flags
