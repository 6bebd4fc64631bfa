"""The box that a product comes in: a photo that says nothing about what is inside."""

import numpy as np
from PIL import Image

from .appearance import Appearance, cloth
from .canvas import (
    blank,
    curve,
    darker,
    lighter,
    mirrored,
    mix,
    paint,
    polygon,
    rounded,
    slope,
    stroke,
    within,
)

_CARDBOARD = (196, 156, 112)


def draw_box(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a wrapped gift with a bow, or a plain carton with tape and a label."""
    drawing = blank()
    split, top, low = rng.uniform(0.55, 0.7), rng.uniform(0.3, 0.44), 0.88
    rise = rng.uniform(0.06, 0.12)
    front = polygon([(0.14, top), (split, top + 0.05), (split, low), (0.14, low - 0.06)])
    side = polygon([(split, top + 0.05), (0.88, top - 0.02), (0.88, low - 0.1), (split, low)])
    lid = polygon([(0.14, top), (split, top + 0.05), (0.88, top - 0.02), (0.44, top - rise)])
    wrapped = rng.random() < 0.6
    paper = cloth(rng, look) if wrapped else Image.new("RGB", drawing.size, _CARDBOARD)
    paint(drawing, front, paper, slope(1.08, 0.92))
    paint(drawing, side, paper, slope(0.8, 0.64))
    paint(drawing, lid, paper, slope(1.24, 1.1))
    ribbon = look.accent if look.pattern == "plain" else lighter(look.accent, 0.5)
    strip = ribbon if wrapped else mix(_CARDBOARD, (236, 214, 170), 0.6)
    middle = (0.14 + split) / 2
    paint(drawing, within(front, rounded(middle - 0.04, 0, middle + 0.04, 1, 0)), strip)
    band = polygon([(middle - 0.04, top + 0.02), (middle + 0.04, top + 0.03),
                    (0.7, top - rise * 0.6), (0.62, top - rise * 0.75)])  # fmt: skip
    paint(drawing, within(lid, band), lighter(strip, 0.12))
    if wrapped:
        _bow(drawing, (0.14 + 0.88) / 2, top - 0.02, darker(ribbon, 0.12))
    else:
        label = rounded(0.19, 0.62, 0.34, 0.74, 0.008)
        paint(drawing, label, (246, 244, 238))
        for y in (0.645, 0.672, 0.7):
            paint(drawing, rounded(0.205, y, rng.uniform(0.27, 0.325), y + 0.012, 0), (90, 90, 96))
    return mirrored(rng, drawing)


def _bow(drawing: Image.Image, x: float, y: float, colour: tuple[int, int, int]) -> None:
    for side in (-1, 1):
        tail = [(x, y), (x + side * 0.07, y + 0.03), (x + side * 0.12, y + 0.09)]
        paint(drawing, stroke(curve(tail, closed=False), 0.03), darker(colour, 0.15))
        loop = [
            (x, y),
            (x + side * 0.12, y - 0.1),
            (x + side * 0.17, y - 0.04),
            (x + side * 0.1, y),
        ]
        paint(drawing, polygon(curve(loop)), colour, slope(1.2, 0.8))
    paint(drawing, rounded(x - 0.03, y - 0.035, x + 0.03, y + 0.025, 0.015), lighter(colour, 0.2))
