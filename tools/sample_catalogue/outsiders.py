"""Things that no category of the sample covers: animals, vehicles, plants, scenery, shapes."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from .appearance import PALETTE, Appearance
from .canvas import (
    blank,
    curve,
    darker,
    dome,
    ellipse,
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

_BLACK = (34, 34, 40)
_SEATED = 0.9  # where a standing thing touches the ground


def _cat(rng: np.random.Generator, look: Appearance) -> Image.Image:
    drawing = blank()
    fur, soft = mix(look.main, (200, 160, 120), 0.5), (244, 226, 206)
    tail = curve([(0.66, 0.84), (0.86, 0.76), (0.84, 0.52), (0.9, 0.42)], closed=False)
    paint(drawing, stroke(tail, 0.06), darker(fur, 0.15))
    paint(drawing, ellipse(0.5, 0.7, 0.22, _SEATED - 0.68), fur, dome())
    paint(drawing, ellipse(0.5, 0.74, 0.11, 0.14), soft)
    for side in (-1, 1):
        ear = [(0.5 + side * 0.2, 0.3), (0.5 + side * 0.19, 0.08), (0.5 + side * 0.05, 0.2)]
        paint(drawing, polygon(ear), darker(fur, 0.12))
    paint(drawing, ellipse(0.5, 0.34, 0.22, 0.19), fur, dome())
    for side in (-1, 1):
        paint(drawing, ellipse(0.5 + side * 0.09, 0.32, 0.04, 0.045), (120, 180, 110))
        paint(drawing, ellipse(0.5 + side * 0.09, 0.32, 0.013, 0.038), _BLACK)
        for lift in (-0.02, 0.015):
            whisker = [(0.5 + side * 0.08, 0.41), (0.5 + side * 0.3, 0.41 + lift * 2)]
            paint(drawing, stroke(whisker, 0.004), soft)
        paint(drawing, ellipse(0.5 + side * 0.1, _SEATED - 0.02, 0.07, 0.04), soft)
    paint(drawing, polygon([(0.475, 0.385), (0.525, 0.385), (0.5, 0.415)]), (214, 120, 120))
    return mirrored(rng, drawing)


def _fish(rng: np.random.Generator, look: Appearance) -> Image.Image:
    drawing = blank()
    paint(drawing, polygon([(0.7, 0.5), (0.93, 0.32), (0.88, 0.5), (0.93, 0.68)]), look.accent)
    fin = curve([(0.35, 0.36), (0.48, 0.2), (0.62, 0.36)], closed=False)
    paint(drawing, polygon(fin), look.accent)
    body = polygon(curve([(0.08, 0.5), (0.38, 0.3), (0.74, 0.47), (0.74, 0.53), (0.38, 0.7)]))
    paint(drawing, body, look.main, dome(0.4))
    for x in rng.uniform(0.3, 0.65, 3):
        band = within(body, rounded(float(x), 0, float(x) + 0.04, 1, 0))
        paint(drawing, band, lighter(look.accent, 0.3))
    paint(drawing, ellipse(0.2, 0.46, 0.035, 0.035), (250, 250, 250))
    paint(drawing, ellipse(0.195, 0.46, 0.018, 0.018), _BLACK)
    return mirrored(rng, drawing)


def _butterfly(rng: np.random.Generator, look: Appearance) -> Image.Image:
    drawing = blank()
    spread = rng.uniform(0.3, 0.4)
    for side in (-1, 1):
        for lift, size in ((-0.16, 1.0), (0.16, 0.75)):
            x, y = 0.5 + side * spread * 0.55, 0.5 + lift
            paint(drawing, ellipse(x, y, spread * 0.55 * size, 0.2 * size), darker(look.main))
            paint(drawing, ellipse(x, y, spread * 0.46 * size, 0.16 * size), look.main, dome())
            paint(drawing, ellipse(x + side * 0.06, y, 0.05 * size, 0.06 * size), look.accent)
        feeler = curve([(0.5, 0.3), (0.5 + side * 0.06, 0.2), (0.5 + side * 0.12, 0.16)], False)
        paint(drawing, stroke(feeler, 0.01), _BLACK)
    paint(drawing, ellipse(0.5, 0.52, 0.028, 0.24), _BLACK)
    return drawing


def _tree(rng: np.random.Generator, look: Appearance) -> Image.Image:
    drawing = blank()
    paint(drawing, polygon([(0.46, 0.5), (0.54, 0.5), (0.58, 0.94), (0.42, 0.94)]), (112, 80, 56))
    leaf = mix(PALETTE["green"], look.main, 0.25)
    if rng.random() < 0.4:  # a fir
        for top, half in ((0.4, 0.34), (0.24, 0.26), (0.08, 0.18)):
            cone = [(0.5, top - 0.04), (0.5 + half, top + 0.34), (0.5 - half, top + 0.34)]
            paint(drawing, polygon(cone), darker(leaf, 0.25), slope(1.2, 0.8))
        return drawing
    for _ in range(14):
        x, y = 0.5 + rng.normal(0, 0.13), 0.36 + rng.normal(0, 0.1)
        size = rng.uniform(0.1, 0.17)
        paint(drawing, ellipse(x, y, size, size), mix(leaf, PALETTE["olive"], rng.random()), dome())
    return drawing


def _car(rng: np.random.Generator, look: Appearance) -> Image.Image:
    drawing = blank()
    roof = rng.uniform(0.28, 0.36)
    cabin = [(0.24, 0.52), (0.34, roof), (0.64, roof), (0.78, 0.52)]
    paint(drawing, polygon(cabin), darker(look.main, 0.1), slope())
    glass = [(0.29, 0.51), (0.365, roof + 0.03), (0.62, roof + 0.03), (0.73, 0.51)]
    paint(drawing, polygon(glass), (172, 206, 224), slope(1.2, 0.9))
    paint(drawing, rounded(0.49, roof, 0.51, 0.52, 0), darker(look.main, 0.1))
    paint(drawing, rounded(0.06, 0.49, 0.94, 0.68, 0.07), look.main, slope(1.2, 0.75))
    paint(drawing, rounded(0.9, 0.53, 0.94, 0.58, 0.015), (255, 232, 160))
    for x in (0.26, 0.74):
        paint(drawing, ellipse(x, 0.68, 0.1, 0.1), _BLACK)
        paint(drawing, ellipse(x, 0.68, 0.05, 0.05), (190, 192, 196), dome())
    return mirrored(rng, drawing)


def _house(rng: np.random.Generator, look: Appearance) -> Image.Image:
    drawing = blank()
    eave = rng.uniform(0.4, 0.48)
    paint(drawing, rounded(0.66, 0.16, 0.74, 0.4, 0), (140, 84, 70))
    paint(drawing, rounded(0.18, eave, 0.82, _SEATED, 0), lighter(look.main, 0.5), slope())
    paint(drawing, polygon([(0.1, eave), (0.5, 0.12), (0.9, eave)]), look.accent, slope())
    paint(drawing, rounded(0.44, 0.66, 0.57, _SEATED, 0.01), (118, 78, 54))
    for x in (0.25, 0.63):
        paint(drawing, rounded(x, 0.54, x + 0.13, 0.68, 0), (250, 250, 246))
        paint(drawing, rounded(x + 0.012, 0.552, x + 0.118, 0.668, 0), (150, 196, 220), slope())
    return drawing


def _landscape(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Fill the whole square: a sky, a sun, and ranges of hills or a sea."""
    drawing = blank()
    sky = mix(PALETTE["sky blue"], look.accent, rng.uniform(0, 0.5))
    paint(drawing, rounded(0, 0, 1, 1, 0), sky, np.linspace(0.9, 1.45, 12)[:, None])
    sun = (rng.uniform(0.2, 0.8), rng.uniform(0.14, 0.34))
    paint(drawing, ellipse(*sun, 0.08, 0.08), (255, 236, 180))
    ground = mix(PALETTE["teal"] if rng.random() < 0.4 else PALETTE["green"], look.main, 0.2)
    jagged = rng.random() < 0.5
    for layer in range(4):
        n_peaks = int(rng.integers(4, 8))
        heights = 0.46 + 0.13 * layer + rng.uniform(-0.12, 0.04, n_peaks)
        ridge = list(zip(np.linspace(-0.05, 1.05, n_peaks).tolist(), heights.tolist(), strict=True))
        line = ridge if jagged and layer < 2 else curve(ridge, closed=False)
        tint = mix(darker(ground, 0.35), sky, 0.75 - 0.25 * layer)
        paint(drawing, polygon([*line, (1.05, 1.05), (-0.05, 1.05)]), tint, slope(1.1, 0.85))
    return drawing


def _abstract(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Fill the whole square with overlapping shapes."""
    drawing = blank()
    paint(drawing, rounded(0, 0, 1, 1, 0), lighter(look.main, 0.6), slope())
    for name in rng.choice(list(PALETTE), 12):
        x, y, size = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.06, 0.26)
        corners = np.array([x, y]) + rng.uniform(-size, size, (3, 2))
        triangle = polygon([(float(a), float(b)) for a, b in corners])
        mask = triangle if rng.random() < 0.5 else ellipse(x, y, size, size)
        paint(drawing, mask, PALETTE[str(name)], slope(), opacity=0.85)
    return drawing


OUTSIDERS: dict[str, Callable[[np.random.Generator, Appearance], Image.Image]] = {
    "cat": _cat,
    "fish": _fish,
    "butterfly": _butterfly,
    "tree": _tree,
    "car": _car,
    "house": _house,
    "landscape": _landscape,
    "abstract": _abstract,
}
FULL_BLEED = frozenset({"landscape", "abstract"})  # these are the scene, not a thing in one
