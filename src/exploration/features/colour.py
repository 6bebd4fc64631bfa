"""Colour histograms: how much there is of which hue, saturation and brightness."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...core.arrays import Floats
from ...embedding.encoders import Square
from .family import Takes
from .pixels import described, histogram_rows

BINS = (8, 4, 4)
"""Of hue, saturation and brightness."""


@dataclass(frozen=True)
class ColourHistogram:
    """128 joint bins of a photo's colours; see `FeatureFamily`."""

    name: str = "colour"
    takes: Takes = "square"

    def encode(self, items: Sequence[Square]) -> Floats:
        return histogram_rows(described(items, colour_histogram))


def colour_histogram(square: Square) -> Floats:
    """Count pixels by colour; shape ``(128,)``, hue slowest."""
    hsv = cv2.cvtColor(np.asarray(square), cv2.COLOR_RGB2HSV)
    return np.asarray(
        cv2.calcHist([hsv], [0, 1, 2], None, list(BINS), [0, 180, 0, 256, 0, 256])
    ).ravel()
