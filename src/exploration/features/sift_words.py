"""SIFT as a bag of visual words: which small patches a photo has, wherever (Sivic 2003)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from ...core.arrays import Floats, evenly_spaced, unit_rows
from ...core.parallel import in_parallel
from ...embedding.encoders import Square
from .family import Takes
from .pixels import grey

MAX_PATCHES = 50
"""Of one photo, the strongest."""
MAX_LEARNED = 50_000
"""Patches that the words are learned from."""


@dataclass(frozen=True)
class SiftWords:
    """How often a photo has each of 256 kinds of patches, rare ones heavier; see `FeatureFamily`.

    A photo without a patch (plain colour) is a row of zeros.
    """

    name: str = "sift"
    n_words: int = 256
    takes: Takes = "square"

    def encode(self, items: Sequence[Square]) -> Floats:
        patches = in_parallel(sift_patches, items)
        owner = np.repeat(np.arange(len(patches)), [len(own) for own in patches])
        together = np.concatenate([*patches, np.zeros((0, 128), np.float32)])
        counts = np.zeros((len(patches), self.n_words), dtype=np.float32)
        if len(together) < self.n_words:
            return counts
        learned = together[evenly_spaced(len(together), MAX_LEARNED)]
        words = MiniBatchKMeans(self.n_words, n_init=1, random_state=0, batch_size=4096)
        np.add.at(counts, (owner, words.fit(learned).predict(together)), 1)
        rarity = np.log((1 + len(counts)) / (1 + (counts > 0).sum(axis=0))) + 1
        return unit_rows(np.sqrt(counts) * rarity)


def sift_patches(square: Square) -> Floats:
    """Describe a photo's strongest patches, as roots of their shares (RootSIFT).

    Returns
    -------
    Floats
        Shape ``(n_patches, 128)``, rows of unit length; n_patches may be 0.
    """
    detector: Any = cv2.SIFT.create(nfeatures=MAX_PATCHES)
    _, found = detector.detectAndCompute(grey(square), None)
    if found is None:
        return np.zeros((0, 128), dtype=np.float32)
    return unit_rows(np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9)))
