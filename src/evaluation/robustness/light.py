"""What light and lens do to a photo: too dark, too bright, tinted, out of focus, shaken, grainy.

After ImageNet-C (Hendrycks & Dietterich 2019), with blurs measured in the photo's own size, so that
a severity means the same for photos of any size.
"""

import cv2
import numpy as np

from ...core.arrays import Floats
from ...vision.photo_measures import Pixels

CAST = np.array([[1.0, 0.72, 0.36], [0.42, 0.74, 1.0], [0.66, 1.0, 0.52]])
"""Red, green and blue of a lamp, of shade, and of a tube, at full strength."""


def dark(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Take a photo with `strength`, 0 to 1, of the light too little, and its sensor's noise."""
    light = photo.astype(np.float32) * (1 - strength)
    return _pixels(light + rng.normal(0, 4 * strength, photo.shape))


def bright(photo: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    """Take a photo with `strength` times too much light: what is bright turns white."""
    return _pixels(photo.astype(np.float32) * (1 + strength))


def colour_cast(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Take a photo under a lamp, in the shade, or under a tube, with no white balance."""
    tint = 1 - strength * (1 - CAST[rng.integers(len(CAST))])
    return _pixels(photo * tint)


def defocus(photo: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    """Spread each point over a disc, `strength` of the longer side wide."""
    radius = max(1.0, strength * max(photo.shape[:2]) / 2)
    reach = np.arange(-int(radius) - 1, int(radius) + 2)
    inside = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(reach, reach)), 0, 1)
    return _filtered(photo, inside)


def motion(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Spread each point along a line, `strength` of the longer side long, in any direction."""
    length = max(2.0, strength * max(photo.shape[:2]))
    half, angle = int(length / 2) + 1, rng.uniform(0, np.pi)
    line = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    start, end = (((half + side * reach) * 16).round().astype(int).tolist() for side in (-1, 1))
    cv2.line(line, start, end, 1.0, shift=4)  # in sixteenths of a pixel
    return _filtered(photo, line)


def noise(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add a sensor's grain: normal, of `strength` times the range from black to white."""
    return _pixels(photo + rng.normal(0, 255 * strength, photo.shape))


def _filtered(photo: Pixels, kernel: Floats) -> Pixels:
    spread = kernel / kernel.sum()
    blurred = cv2.filter2D(photo, -1, spread.astype(np.float32), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.uint8)


def _pixels(values: Floats) -> Pixels:
    return np.asarray(values.round().clip(0, 255), dtype=np.uint8)
