"""Look closely at candidate pairs of photos: many at a time, each photo decoded once."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ...core.errors import PhotoError
from ...vision.load import PhotoLimits
from .candidates import Candidates
from .pair_model import PairModel
from .photo_detail import PhotoDetail, load_detail, same_pixels
from .photo_match import FEATURES, PhotoMatch, find_match
from .verdict import PhotoFinding, PhotoRelation

CACHED_DETAILS = 2048  # of 100 to 150 KB each
BLOCK_PAIRS = 2048
MAYBE_IDENTICAL = 2.0  # mean difference in grey levels, up to which full decoding is worth it


class VerifiedPair(NamedTuple):
    """A pair of photos after the close look: rows on either side, finding, both photos' content."""

    a: int
    b: int
    finding: PhotoFinding
    n_pixels: tuple[int, int]


def verify_pairs(
    candidates: Candidates,
    sources: Sequence[str | bytes],
    others: Sequence[str | bytes],
    model: PairModel,
    limits: PhotoLimits,
    *,
    progress: bool = False,
) -> Iterator[VerifiedPair]:
    """Compare candidate pairs closely, and yield those that are more than look-alikes, in order.

    Candidates are rows of `sources` and `others`: paths or bytes, the same sequence twice within
    one catalogue. A photo that can't be decoded is like no other.
    """

    @lru_cache(maxsize=CACHED_DETAILS)
    def detail(photo: str | bytes) -> PhotoDetail | None:
        try:
            return load_detail(photo, limits)
        except PhotoError:
            return None

    def verify(number: int) -> VerifiedPair | None:
        row_a, row_b = candidates.rows[number].tolist()
        a, b = detail(sources[row_a]), detail(others[row_b])
        if a is None or b is None or (match := find_match(a, b)) is None:
            return None
        finding = _finding(match, float(candidates.similarity[number]), model)
        # a JPEG decoded at a fraction of its size is a little off the same pixels in a PNG
        may_be_identical = a.size == b.size and mean_difference(a, b) < MAYBE_IDENTICAL
        if may_be_identical and same_pixels(sources[row_a], others[row_b], limits):
            finding = PhotoFinding("same_pixels", 1.0, finding.similarity)
        if finding.relation == "other":
            return None
        return VerifiedPair(row_a, row_b, finding, (a.n_content_pixels, b.n_content_pixels))

    n_pairs = len(candidates.rows)
    bar = tqdm(total=n_pairs, desc="Comparing photos", disable=None if progress else True)
    # OpenCV and NumPy let go of the interpreter while they work
    with bar, ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, n_pairs, BLOCK_PAIRS):
            for found in pool.map(verify, range(start, min(start + BLOCK_PAIRS, n_pairs))):
                bar.update()
                if found is not None:
                    yield found


def mean_difference(a: PhotoDetail, b: PhotoDetail) -> float:
    """Mean absolute difference of two small pictures of the same size, 0 to 255."""
    return float(np.abs(a.picture.astype(np.int16) - b.picture).mean())


def _finding(match: PhotoMatch, similarity: float, model: PairModel) -> PhotoFinding:
    features = match.features[None, :]
    probability = float(model.probabilities(features)[0])
    relation: PhotoRelation = "other"
    if probability >= model.threshold:
        relation = "copy"
    elif float(model.ignoring_colour(features)[0]) >= model.threshold:
        relation = "recoloured"
    return PhotoFinding(
        relation=relation,
        probability=probability,
        similarity=float(np.clip(similarity, -1, 1)),
        agreeing_fraction=float(match.features[FEATURES.index("agreeing_fraction")]),
        alignment=match.alignment,
    )
