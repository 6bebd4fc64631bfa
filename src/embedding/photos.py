"""Photos to unit vectors and measures: each is read, decoded, encoded and measured once."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..core.errors import PhotoError
from ..fusion.views import View
from ..vision.load import DecodedPhoto, PhotoLimits, decode_photo, photo_bytes
from ..vision.quality import SIDE_PX, PhotoQuality, assess_photo, is_measurable
from .encoders import ImageEncoder, Square
from .encoding import as_view, encode_new, known, progress_bar, remember
from .reading_ahead import ahead, threads
from .run_options import RunOptions

QUALITY = "quality-1"
"""Names the measures in the cache; to be changed with what is measured."""


@dataclass(frozen=True)
class PhotoRows:
    """What `EmbeddedListings` holds of photos."""

    view: View
    hashes: list[str | None]
    problems: dict[int, str]
    quality: dict[int, PhotoQuality]


def embed_photos(
    sources: Sequence[Any],
    encoder: ImageEncoder,
    options: RunOptions,
    *,
    quality: bool = False,
) -> PhotoRows:
    """Hash every photo, look the hashes up, decode what isn't known; equal photos once.

    Parameters
    ----------
    sources
        Paths, bytes, or None.
    quality
        Measure the photos as well, on the pixels that are decoded for the encoder.
    """
    limits, cache = options.limits, options.cache
    space = f"{encoder.fingerprint}|{limits}"
    measures = f"{QUALITY}|{space}"  # what was decoded for the encoder is what was measured
    with threads() as pool:
        hashes, problems = _hashes(pool, sources)
        rows_of: dict[str, list[int]] = {}
        for row, digest in enumerate(hashes):
            if digest is not None:
                rows_of.setdefault(digest, []).append(row)
        found = known(rows_of, space, cache, encoder.dim)
        measured = known(rows_of, measures, cache, len(fields(PhotoQuality))) if quality else {}
        to_encode = rows_of.keys() - found.keys()
        to_measure = rows_of.keys() - measured.keys() if quality else set()
        fresh = [digest for digest in rows_of if digest in to_encode | to_measure]
        new: dict[str, Floats] = {}

        def look(digest: str) -> tuple[Square | None, Floats | None]:
            source = sources[rows_of[digest][0]]
            photo = encoder.decode(source, limits)
            square = encoder.prepare(photo) if digest in to_encode else None
            return square, _measure(photo, source, limits) if digest in to_measure else None

        def squares() -> Iterator[tuple[str, Square]]:
            for digest, outcome in zip(fresh, ahead(pool, look, fresh), strict=True):
                if isinstance(outcome, PhotoError):
                    if digest in to_encode:  # else it could be read before, and is gone by now
                        problems.update(dict.fromkeys(rows_of[digest], str(outcome)))
                    continue
                square, row = outcome
                if row is not None:
                    new[digest] = row
                if square is not None:
                    yield digest, square
                else:
                    bar.update()

        n_known = len(rows_of) - len(fresh)
        with progress_bar("photos", len(rows_of), n_known, shown=options.progress) as bar:
            try:
                found |= encode_new(squares(), encoder.encode, space, cache, bar)
            finally:
                remember(new, measures, cache)
    view = as_view(hashes, found, encoder.dim)
    seen: frozenset[str] = getattr(encoder, "seen", frozenset())
    if seen:  # by a fine-tuned encoder
        view = replace(view, in_encoder_train_set=np.array([digest in seen for digest in hashes]))
    qualities = {
        row: PhotoQuality.from_row(values)
        for digest, values in (measured | new).items()
        for row in rows_of[digest]
    }
    return PhotoRows(view, hashes, problems, qualities)


def _hashes(
    pool: ThreadPoolExecutor, sources: Sequence[Any]
) -> tuple[list[str | None], dict[int, str]]:
    """Give each photo's hash, and why one can't be read."""
    hashes: list[str | None] = [None] * len(sources)
    problems: dict[int, str] = {}
    there = [row for row, source in enumerate(sources) if source is not None]
    digests = ahead(pool, lambda row: _sha256(sources[row]), there)
    for row, digest in zip(there, digests, strict=True):
        if isinstance(digest, PhotoError):
            problems[row] = str(digest)
        else:
            hashes[row] = digest
    return hashes, problems


def _measure(photo: DecodedPhoto, source: Any, limits: PhotoLimits) -> Floats:
    """Measure a photo; where the encoder takes too few pixels, it is decoded once more."""
    if not is_measurable(photo):
        photo = decode_photo(source, min_side_px=SIDE_PX, longer_side=True, **vars(limits))
    return assess_photo(photo).row


def _sha256(source: Any) -> str:
    return hashlib.sha256(photo_bytes(source)).hexdigest()
