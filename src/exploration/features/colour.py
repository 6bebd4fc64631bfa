"""Colour histograms: how much there is of which hue, saturation and brightness."""

import cv2
import numpy as np

from ...core.arrays import Floats
from ...embedding.encoders import Square

BINS = (8, 4, 4)
"""Of hue, saturation and brightness."""


def colour_histogram(square: Square) -> Floats:
    """Count pixels by colour; shape ``(128,)``, hue slowest."""
    hsv = cv2.cvtColor(np.asarray(square), cv2.COLOR_RGB2HSV)
    return np.asarray(
        cv2.calcHist([hsv], [0, 1, 2], None, list(BINS), [0, 180, 0, 256, 0, 256])
    ).ravel()
