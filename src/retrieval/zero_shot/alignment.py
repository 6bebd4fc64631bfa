"""Photos and titles of one catalogue, aligned: both become points of one small space.

Regularised canonical correlation (Hotelling 1936; the ridge is Vinod's, 1976) of the two frozen
encoders' vectors: the directions in which a catalogue's photos and titles go together, strongest
first. A closed form, so there is no seed and no early stopping; it knows nothing of categories.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from scipy.linalg import eigh, svd

from ...core.arrays import Floats, unit_rows

RANK = 64
RIDGE = 3.0
"""Added to each direction's variance, in mean variances; chosen on one real catalogue."""


@dataclass(frozen=True)
class Alignment:
    """From photo and title vectors to points of the aligned space, r dimensions.

    Parameters
    ----------
    photo_mean, title_mean
        Shapes ``(d_photo,)`` and ``(d_title,)``.
    photo_map, title_map
        Shapes ``(d_photo, r)`` and ``(d_title, r)``.
    """

    photo_mean: Floats
    title_mean: Floats
    photo_map: Floats
    title_map: Floats

    @classmethod
    def fit(cls, photos: Floats, titles: Floats) -> "Alignment":
        """Align n pairs, row by row of one listing; shapes ``(n, d_photo)``, ``(n, d_title)``."""
        if len(photos) != len(titles) or len(photos) < 2:
            raise ValueError(
                "An alignment needs at least 2 photos and as many titles, "
                f"got {len(photos)} and {len(titles)}."
            )
        photo_mean, title_mean = photos.mean(axis=0), titles.mean(axis=0)
        x, y = (photos - photo_mean).astype(np.float64), (titles - title_mean).astype(np.float64)
        white_x, white_y = _whitener(x), _whitener(y)
        left, strength, right = svd((x @ white_x).T @ (y @ white_y) / len(x), full_matrices=False)
        rank = min(RANK, len(strength))
        root = np.sqrt(strength[:rank])
        return cls(
            np.asarray(photo_mean, np.float32),
            np.asarray(title_mean, np.float32),
            np.asarray(white_x @ left[:, :rank] * root, np.float32),
            np.asarray(white_y @ right[:rank].T * root, np.float32),
        )

    def photo_points(self, photos: Floats) -> Floats:
        """Place photos, shape ``(n, r)``; a zero row (no photo) stays zero."""
        return _points(photos, self.photo_mean, self.photo_map)

    def title_points(self, titles: Floats) -> Floats:
        """Place titles, shape ``(n, r)``; a zero row (no title) stays zero."""
        return _points(titles, self.title_mean, self.title_map)

    def similarity(self, photos: Floats, titles: Floats) -> Floats:
        """Cosine of each listing's photo and title there, shape ``(n,)``; larger = closer."""
        x, y = unit_rows(self.photo_points(photos)), unit_rows(self.title_points(titles))
        return np.asarray((x * y).sum(axis=1))

    def as_titles(self, photos: Floats) -> Floats:
        """Put photos among titles, ``(n, d_title)``, unit: queries for any index of titles."""
        return unit_rows(unit_rows(self.photo_points(photos)) @ self.title_map.T)

    def as_photos(self, titles: Floats) -> Floats:
        """Put titles among photos, ``(n, d_photo)``, unit: queries for any index of photos."""
        return unit_rows(unit_rows(self.title_points(titles)) @ self.photo_map.T)

    def to_arrays(self) -> dict[str, Floats]:
        """Split into arrays, for saving."""
        return asdict(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> "Alignment":
        """Rebuild from what `to_arrays` gave."""
        found = cls(**arrays)
        for mean, matrix in (
            (found.photo_mean, found.photo_map),
            (found.title_mean, found.title_map),
        ):
            if matrix.ndim != 2 or mean.shape != (len(matrix),):
                raise ValueError(
                    f"An alignment's mean and map must fit, got {mean.shape} and {matrix.shape}."
                )
        return found


def _whitener(centred: Floats) -> Floats:
    """Map to the principal directions at unit variance, but for the ridge; ``(d, min(n, d))``."""
    n, d = centred.shape
    if n < d:
        _, singular, directions = svd(centred, full_matrices=False)
        variances, directions = singular**2 / n, directions.T
    else:
        variances, directions = eigh(centred.T @ centred / n)
    ridge = RIDGE * max(float(variances.sum()) / d, 1e-12)
    return np.asarray(directions * (np.maximum(variances, 0.0) + ridge) ** -0.5)


def _points(vectors: Floats, mean: Floats, matrix: Floats) -> Floats:
    there = np.asarray(vectors.any(axis=1))
    if not there.any():  # where no listing has any, they may be of any width
        return np.zeros((len(vectors), matrix.shape[1]), np.float32)
    return np.asarray((vectors - mean) @ matrix * there[:, None], dtype=np.float32)
