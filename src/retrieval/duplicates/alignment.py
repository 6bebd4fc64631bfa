"""How could one photo lie in the other? A few likely alignments, to be judged by their pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ...core.arrays import Floats, Ints
from .photo_detail import DETAIL_PX, PhotoDetail, mirrored_descriptors

Transform: TypeAlias = npt.NDArray[np.float64]

MIN_INLIERS = 5
ENOUGH_INLIERS = 40  # so many aren't chance: no need to look into the mirror
MAX_DISTANCE_RATIO = 0.85  # Lowe's ratio, lenient: RANSAC sorts wrong matches out
MAX_STRETCH = 1.8
SCALE_RANGE = (0.15, 6.0)


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where photo a lies in photo b, and what speaks for it.

    Parameters
    ----------
    transform
        Shape ``(2, 3)``: takes a point of a to b, both in fractions of width and height.
    n_inliers
        Features that agree with it; 0 for the plain guesses.
    inlier_fraction
        Their share of all matched features, 0 to 1.
    """

    transform: Transform
    n_inliers: int = 0
    inlier_fraction: float = 0.0

    @property
    def mirrored(self) -> bool:
        """Whether one photo is the other's mirror image."""
        return bool(np.linalg.det(self.transform[:, :2]) < 0)


IDENTITY = Alignment(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
MIRROR = Alignment(np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))


def likely_alignments(a: PhotoDetail, b: PhotoDetail) -> Iterator[Alignment]:
    """Yield the plain guesses (edge on edge, as is and mirrored), then what features say."""
    yield IDENTITY
    yield MIRROR
    yield from feature_alignments(a, b)


def feature_alignments(a: PhotoDetail, b: PhotoDetail) -> Iterator[Alignment]:
    """Yield the alignment that features agree on; and the mirrored one, if they don't clearly."""
    found = align_features(a, b, a.root_sift)
    if found is not None:
        yield found
    if found is None or found.n_inliers < ENOUGH_INLIERS:
        found = align_features(a, b, mirrored_descriptors(a.root_sift))
        if found is not None:
            yield found


def align_features(a: PhotoDetail, b: PhotoDetail, root_sift: Floats) -> Alignment | None:
    """Fit one affine transform to the matching features, outliers left out (RANSAC).

    `root_sift` are the descriptors of a, as they are or as `mirrored_descriptors`. None if too few
    features agree, or only on a transform that no edit makes.
    """
    near, far = match_descriptors(root_sift, b.root_sift)
    if len(near) < MIN_INLIERS:
        return None
    # pixels of the longer side as unit, so that one tolerance means the same across and down
    size_a, size_b = (DETAIL_PX * np.array(photo.size) / max(photo.size) for photo in (a, b))
    from_px, to_px = a.points[near] * size_a, b.points[far] * size_b
    matrix, agrees = cv2.estimateAffine2D(
        from_px,
        to_px,
        method=cv2.RANSAC,
        ransacReprojThreshold=4.0,
        maxIters=1000,
        confidence=0.995,
    )
    if matrix is None or not np.isfinite(matrix).all():
        return None
    large, small = np.linalg.svd(matrix[:, :2], compute_uv=False)
    if small < SCALE_RANGE[0] or large > SCALE_RANGE[1] or large / small > MAX_STRETCH:
        return None
    inliers = agrees[:, 0] > 0
    # features found twice at one place are one piece of evidence
    n_inliers = min(len(np.unique(points[inliers].round(), axis=0)) for points in (from_px, to_px))
    if n_inliers < MIN_INLIERS:
        return None
    linear = matrix[:, :2] * size_a / size_b[:, None]
    transform = np.hstack([linear, (matrix[:, 2] / size_b)[:, None]])
    return Alignment(transform, n_inliers, n_inliers / len(near))


def match_descriptors(a: Floats, b: Floats) -> tuple[Ints, Ints]:
    """Match each feature of a to the nearest of b, where the second nearest is clearly farther.

    Descriptors of unit length, shapes ``(n_a, 128)`` and ``(n_b, 128)``. Gives rows of a, and the
    row of b for each.
    """
    if min(len(a), len(b)) < 2:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    similarity = a @ b.T
    rows, best = np.arange(len(a)), similarity.argmax(axis=1)
    nearest = 1 - similarity[rows, best]  # half the squared distance
    similarity[rows, best] = -1
    clear = nearest < MAX_DISTANCE_RATIO**2 * (1 - similarity.max(axis=1))
    return rows[clear], best[clear]
