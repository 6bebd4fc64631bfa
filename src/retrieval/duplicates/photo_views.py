"""A further view of photos, which finds what the photos as they are don't."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ...core.arrays import Floats
from ...core.errors import PhotoError
from ...embedding.encoders import ImageEncoder, Square
from ...embedding.reading_ahead import ahead, batches, threads
from ...vision.load import PhotoLimits

CROP_FRACTION = 0.75
_BATCH = 32


def embed_middles(
    sources: Sequence[Any], encoder: ImageEncoder, limits: PhotoLimits, *, progress: bool = False
) -> Floats:
    """Embed the middle of each photo (path or bytes), three quarters of both sides.

    Shape ``(n, d)``, unit length; zero, which is near to nothing, where a photo can't be used.
    """

    def look(source: Any) -> Square:
        return _middle(encoder.prepare(encoder.decode(source, limits)))

    vectors = np.zeros((len(sources), encoder.dim), dtype=np.float32)
    bar = tqdm(total=len(sources), desc="Embedding views", disable=None if progress else True)
    with bar, threads() as pool:
        for outcomes in batches(enumerate(ahead(pool, look, sources)), _BATCH):
            usable = {row: seen for row, seen in outcomes if not isinstance(seen, PhotoError)}
            if usable:
                vectors[list(usable)] = encoder.encode(list(usable.values()))
            bar.update(len(outcomes))
    return vectors


def _middle(square: Square) -> Square:
    side = len(square)
    margin = round(side * (1 - CROP_FRACTION) / 2)
    middle = Image.fromarray(square[margin : side - margin, margin : side - margin])
    return np.array(middle.resize((side, side), Image.Resampling.BICUBIC))
