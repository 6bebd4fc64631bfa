"""Writing on a photo: thin strokes that form islands of like height and colour, side by side."""

import cv2
import numpy as np
import numpy.typing as npt

from ..core.arrays import Floats

STROKE_PX = 9
"""Strokes up to this width are seen; whatever is wider is product or background."""
STEP = 45
"""Strokes are at least this much darker or brighter than what lies on both sides of them."""
MIN_LETTERS = 6


def text_fraction(grey: npt.NDArray[np.uint8]) -> float:
    """Give the share of the width that the letters of the longest line of text take, 0 to about 1.

    Printed packaging is text too: the photo alone can't tell it from a watermark. In `grey`, of
    shape ``(height, width)``, 0 to 255, letters from 7 to 60 pixels high are seen.
    """
    longest = 0.0
    stroke = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (STROKE_PX, STROKE_PX))
    for brighter_or_darker in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = cv2.morphologyEx(grey, brighter_or_darker, stroke)
        for line in lines(islands((strokes > STEP).astype(np.uint8), grey)):
            if len(line) >= MIN_LETTERS:
                longest = max(longest, float(line[:, 2].sum()) / grey.shape[1])
    return longest


def islands(mask: npt.NDArray[np.uint8], grey: npt.NDArray[np.uint8]) -> Floats:
    """Find connected areas with the proportions of letters.

    Shape ``(n, 5)``: left, top, width, height in pixels, and the mean brightness.
    """
    n, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    left, top, width, height, area = stats.T
    strokes = np.flatnonzero(mask)  # few: far cheaper than summing the background as well
    brightness = np.bincount(labels.ravel()[strokes], grey.ravel()[strokes], n) / area
    fill = area / (width * height)
    letters = (height >= 7) & (height <= 60) & (width <= 5 * height) & (width >= 0.08 * height)
    letters &= (fill > 0.2) & (area >= 14)
    letters[0] = False  # the background
    found = np.column_stack([left, top, width, height, brightness])
    return np.asarray(found[letters], dtype=np.float64)


def lines(letters: Floats) -> list[Floats]:
    """Chain `islands`, each to the nearest on its right of its height, place and brightness."""
    if len(letters) < 2:
        return []
    left, top, width, height, brightness = letters.T
    right, bottom = left + width, top + height
    taller, lower = np.maximum.outer(height, height), np.minimum.outer(height, height)
    gap = left[None, :] - right[:, None]
    shared = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    base = np.minimum(_apart(bottom), _apart(top))  # p and b share a line with a
    beside = (left[None, :] > left[:, None]) & (gap > -0.15 * taller) & (gap < 1.3 * taller)
    alike = (lower > 0.45 * taller) & (shared > 0.6 * lower) & (base < 0.15 * taller)
    distance = np.where(beside & alike & (_apart(brightness) < 30), gap, np.inf)
    following, last = distance.argmin(axis=1), ~np.isfinite(distance.min(axis=1))
    taken = np.zeros(len(letters), dtype=bool)
    chains = []
    for first in np.setdiff1d(np.arange(len(letters)), following[~last]):
        chain = [first]
        while not last[chain[-1]] and not taken[following[chain[-1]]]:
            chain.append(following[chain[-1]])
            taken[chain[-1]] = True
        chains.append(letters[chain])
    return chains


def _apart(values: Floats) -> Floats:
    return np.abs(np.subtract.outer(values, values))
