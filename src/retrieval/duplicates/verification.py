"""Look closely at candidate pairs of photos: many at a time, each photo decoded once."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from tqdm import tqdm

from ...core.arrays import Ints
from ...core.errors import PhotoError
from ...vision.load import PhotoLimits
from .candidates import Candidates
from .detail_store import PhotoDetails
from .pair_model import PairModel
from .photo_detail import PhotoDetail, same_pixels
from .photo_match import FEATURES, PhotoMatch, find_match
from .verdict import PhotoFinding, PhotoRelation

BLOCK_PAIRS = 256
MAYBE_IDENTICAL = 2.0  # mean difference in grey levels, up to which full decoding is worth it


class VerifiedPair(NamedTuple):
    """A pair of photos after the close look: rows on either side, finding, both photos' content."""

    a: int
    b: int
    finding: PhotoFinding
    n_pixels: tuple[int, int]


def verify_pairs(
    candidates: Candidates,
    photos: PhotoDetails,
    others: PhotoDetails,
    model: PairModel,
    limits: PhotoLimits,
    *,
    progress: bool = False,
) -> list[VerifiedPair]:
    """Compare candidate pairs closely, and give those that are more than look-alikes, in order.

    Candidates are rows of `photos` and `others`, the same object twice within one catalogue. A
    photo that can't be decoded is like no other. Pairs that share a photo are compared soon after
    each other, so that few photos have to be decoded twice.
    """

    def identical(a: str | bytes, b: str | bytes) -> bool:
        try:
            return same_pixels(a, b, limits)
        except PhotoError:  # it is gone, and known by what was kept of it
            return False

    def verify(number: int) -> VerifiedPair | None:
        row_a, row_b = candidates.rows[number].tolist()
        a, b = photos.of(row_a), others.of(row_b)
        if a is None or b is None or (match := find_match(a, b)) is None:
            return None
        finding = _finding(match, float(candidates.similarity[number]), model)
        # a JPEG decoded at a fraction of its size is a little off the same pixels in a PNG
        may_be_identical = a.size == b.size and mean_difference(a, b) < MAYBE_IDENTICAL
        if may_be_identical and identical(photos.sources[row_a], others.sources[row_b]):
            finding = PhotoFinding("same_pixels", 1.0, finding.similarity)
        if finding.relation == "other":
            return None
        return VerifiedPair(row_a, row_b, finding, (a.n_content_pixels, b.n_content_pixels))

    n_left = None if photos is others else len(photos.sources)
    order = near_each_other(candidates.rows, n_left).tolist()
    found: dict[int, VerifiedPair] = {}
    bar = tqdm(total=len(order), desc="Comparing photos", disable=None if progress else True)
    # OpenCV and NumPy let go of the interpreter while they work
    with bar, ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(order), BLOCK_PAIRS):
            block = order[start : start + BLOCK_PAIRS]
            for side, rows in _by_side(candidates.rows[block], photos, others):
                side.fetch(rows)
                deque(pool.map(side.of, rows), maxlen=0)  # each once, whoever compares it
            for number, pair in zip(block, pool.map(verify, block), strict=True):
                bar.update()
                if pair is not None:
                    found[number] = pair
            photos.keep()
            others.keep()
    return [found[number] for number in sorted(found)]


def _by_side(
    rows: Ints, photos: PhotoDetails, others: PhotoDetails
) -> list[tuple[PhotoDetails, list[int]]]:
    if photos is others:
        return [(photos, np.unique(rows).tolist())]
    return [(photos, np.unique(rows[:, 0]).tolist()), (others, np.unique(rows[:, 1]).tolist())]


def near_each_other(rows: Ints, n_left: int | None) -> Ints:
    """Order pairs so that those of one photo come soon after each other (Cuthill and McKee 1969).

    Parameters
    ----------
    rows
        Shape ``(n_pairs, 2)``.
    n_left
        The second row of a pair counts from here on; ``None`` if both are of the same photos.
    """
    if len(rows) == 0:
        return np.zeros(0, dtype=np.intp)
    a, b = rows[:, 0], rows[:, 1] + (n_left or 0)
    n = int(max(a.max(), b.max())) + 1
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n)).tocsr()
    place = np.empty(n, dtype=np.int64)
    place[reverse_cuthill_mckee(graph + graph.T, symmetric_mode=True)] = np.arange(n)
    places = np.sort(np.column_stack([place[a], place[b]]), axis=1)
    return np.lexsort((places[:, 0], places[:, 1]))


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
