"""Further views of photos, which find what the photos as they are don't."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from ...core.arrays import Floats
from ...core.errors import PhotoError
from ...embedding.encoders import ImageEncoder
from ...vision.load import PhotoLimits

PhotoView: TypeAlias = Literal["cropped", "mirrored"]
CROP_FRACTION = 0.75
_BATCH = 32


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


def _cropped(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    side = len(square)
    margin = round(side * (1 - CROP_FRACTION) / 2)
    middle = Image.fromarray(square[margin : side - margin, margin : side - margin])
    return np.array(middle.resize((side, side), Image.Resampling.BICUBIC))


def _mirrored(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(square[:, ::-1])


_VIEWS = {"cropped": _cropped, "mirrored": _mirrored}
