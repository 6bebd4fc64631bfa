"""Does one photo show what the other shows? The two are aligned, then compared block by block.

Aligning alone can't tell a copy from a template look-alike: two mugs with different prints align
perfectly. A copy agrees nearly everywhere, however it was cropped, turned, mirrored, lit or
stamped; a look-alike disagrees inside, and a recoloured one in its colours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ...core.arrays import Bools, Floats
from .agreement import BLOCK_PX, LUMA, block_agreement, colour_residual, correlation
from .alignment import IDENTITY, MIRROR, Alignment, feature_alignments, likely_alignments
from .photo_detail import Bytes, PhotoDetail

FRAME_PX = 144  # longer side of the frame in which two photos are compared
MIN_ALIKE = 0.35  # correlation; of copies that lie edge on edge it was .92 and more

FEATURES = (
    "agreeing_fraction",
    "median_agreement",
    "edge_correlation",
    "colour_residual",
    "more_covered_fraction",
    "less_covered_fraction",
    "n_inliers",
    "inlier_fraction",
    "log_stretch",
)


@dataclass(frozen=True, slots=True)
class PhotoMatch:
    """How well two photos agree under the best alignment found.

    Parameters
    ----------
    features
        Shape ``(9,)``, as `FEATURES` names them: the share of textured blocks that agree and their
        median agreement; correlation of edges; colour that no cast explains (larger = worse); the
        share of content inside the overlap, for the photo that is covered more and the other one;
        features that agree, and their share; stretch of the alignment (0 = none, larger = worse).
    alignment
        Where photo a lies in photo b.
    """

    features: Floats
    alignment: Alignment


def match_photos(a: PhotoDetail, b: PhotoDetail) -> PhotoMatch:
    """Align two photos in every likely way, and keep the way under which they agree best."""
    return _best(a, b, likely_alignments(a, b))


def find_match(a: PhotoDetail, b: PhotoDetail) -> PhotoMatch | None:
    """Do as `match_photos`, but leave out plain guesses that the photos' fine structure rules out.

    None if no guess is left and no features agree, as for most pairs: that takes a tenth of the
    time.
    """
    alignments = [*plain_alignments(a, b), *feature_alignments(a, b)]
    return _best(a, b, alignments) if alignments else None


def plain_alignments(a: PhotoDetail, b: PhotoDetail) -> Iterator[Alignment]:
    """Yield the plain guesses under which the photos' fine structure agrees."""
    laid = a.fine_structure
    for alignment, picture in ((IDENTITY, laid), (MIRROR, laid[:, ::-1])):
        if (picture * b.fine_structure).sum() >= MIN_ALIKE:
            yield alignment


def _best(a: PhotoDetail, b: PhotoDetail, alignments: Iterable[Alignment]) -> PhotoMatch:
    frame = _Frame.of(b)
    matches = [PhotoMatch(_compare(a, frame, x), x) for x in alignments]
    return max(matches, key=lambda match: _worth(match.features))


def _worth(features: Floats) -> float:
    """Rank alignments: agreement counts for as much of the photo as it spans."""
    agreeing, _, edges, _, covered, _, n_inliers, *_ = features
    return float(agreeing * covered + 0.2 * edges + 0.02 * np.log1p(n_inliers))


@dataclass(frozen=True, slots=True)
class _Frame:
    """A photo in which others are laid: blurred, float32, its grey levels and their edges."""

    picture: Floats
    grey: Floats
    edges: Floats

    @classmethod
    def of(cls, photo: PhotoDetail) -> "_Frame":
        picture = _blurred(_shrunk(photo.picture))
        grey = picture @ LUMA
        return cls(picture, grey, _edges(grey))


def _compare(a: PhotoDetail, frame: _Frame, alignment: Alignment) -> Floats:
    """Lay a photo over another, and measure where they agree: shape ``(9,)``, see `FEATURES`."""
    height, width = frame.grey.shape
    source, matrix = _pixel_matrix(a.picture, alignment, width, height)
    large, small = np.linalg.svd(matrix[:, :2], compute_uv=False)
    support = [alignment.n_inliers, alignment.inlier_fraction, float(np.log(large / small))]
    laid = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR)
    overlap = cv2.warpAffine(_white(*source.shape[:2]), matrix, (width, height)) > 250
    if overlap.sum() < 4 * BLOCK_PX**2:
        return np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, *support])
    x, y, grey_y, edges_y = _blurred(laid), frame.picture, frame.grey, frame.edges
    grey_x = x @ LUMA
    edges_x = _edges(grey_x)
    back = cv2.invertAffineTransform(matrix)
    seen = cv2.warpAffine(_white(height, width), back, source.shape[1::-1]) > 127
    edges_a = _edges((source @ LUMA).astype(np.float32))
    covered = sorted((_share(edges_a, seen), _share(edges_y, overlap)))
    agreeing, median, agrees = block_agreement(grey_x, grey_y, overlap)
    return np.array(
        [
            agreeing,
            median,
            correlation(edges_x[overlap], edges_y[overlap]),
            colour_residual(x[agrees], y[agrees]),
            covered[1],
            covered[0],
            *support,
        ]
    )


def _shrunk(picture: Bytes) -> Bytes:
    scale = FRAME_PX / max(picture.shape)
    height, width = (max(BLOCK_PX, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def _blurred(picture: Bytes) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.float32))


def _pixel_matrix(
    picture: Bytes, alignment: Alignment, width: int, height: int
) -> tuple[Bytes, Floats]:
    """Turn fractions into pixels of picture and frame; blur what the warp would shrink."""
    size, frame = np.array([picture.shape[1], picture.shape[0]]), np.array([width, height])
    linear = alignment.transform[:, :2] * frame[:, None] / size
    # pixel 0 has its middle at half a pixel
    offset = alignment.transform[:, 2] * frame + linear @ [0.5, 0.5] - 0.5
    scale = float(np.sqrt(abs(np.linalg.det(linear))))
    if scale < 0.8:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.45 / scale), dtype=np.uint8)
    return picture, np.hstack([linear, offset[:, None]])


def _white(height: int, width: int) -> Bytes:
    return np.full((height, width), 255, dtype=np.uint8)


def _edges(grey: Floats) -> Floats:
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    return np.asarray(np.hypot(across, down))


def _share(edges: Floats, inside: Bools) -> float:
    return float(edges[inside].sum() / max(float(edges.sum()), 1.0))
