"""Gabor filters: how strongly a photo answers to stripes of each width and direction."""

from functools import cache

import cv2
import numpy as np

from ...core.arrays import Floats
from ...embedding.encoders import Square
from .pixels import grey

WAVELENGTHS_PX = (4.0, 8.0, 16.0)
N_DIRECTIONS = 6


def gabor_energies(square: Square) -> Floats:
    """Measure a photo's answers; shape ``(36,)``: mean and deviation, filter by filter."""
    image = grey(square).astype(np.float32) / 255
    found = []
    for kernel in _kernels():
        answer = np.abs(cv2.filter2D(image, cv2.CV_32F, kernel))
        found += [answer.mean(), answer.std()]
    return np.array(found, dtype=np.float32)


@cache
def _kernels() -> tuple[Floats, ...]:
    """Make the filters, wavelength slowest; each sums to 0, so that plain areas answer nothing."""
    made = []
    for wavelength in WAVELENGTHS_PX:
        side = int(2 * wavelength) | 1
        for direction in np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS:
            kernel = cv2.getGaborKernel(
                (side, side), wavelength / 2, direction, wavelength, 0.5, 0, cv2.CV_32F
            )
            kernel -= kernel.mean()
            made.append(kernel / np.abs(kernel).sum())
    return tuple(made)
