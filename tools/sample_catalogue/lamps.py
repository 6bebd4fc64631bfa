"""Table lamps, desk lamps and pendants."""

import numpy as np
from PIL import Image

from .appearance import Appearance, cloth
from .canvas import (
    SIDE,
    blank,
    cylinder,
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
    turned,
    within,
)

_GLOW = (255, 236, 176)


def draw_lamp(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a table lamp on a turned foot, a desk lamp with an arm, or a pendant."""
    drawing = blank()
    lit = rng.random() < 0.5
    kind = rng.random()
    if kind < 0.55:
        _table_lamp(drawing, rng, look, lit)
    elif kind < 0.78:
        _desk_lamp(drawing, rng, look, lit)
    else:
        _pendant(drawing, rng, look, lit)
    return mirrored(rng, drawing)


def _table_lamp(
    drawing: Image.Image, rng: np.random.Generator, look: Appearance, lit: bool
) -> None:
    top, low = 0.08, rng.uniform(0.38, 0.5)
    narrow, wide = rng.uniform(0.1, 0.22), rng.uniform(0.24, 0.34)
    paint(drawing, stroke([(0.5, low - 0.05), (0.5, 0.9)], 0.022), (150, 130, 92), cylinder())
    if rng.random() < 0.7:  # a foot like a vase
        belly = rng.uniform(0.06, 0.16)
        foot = [(low + 0.05, 0.03), (low + 0.2, belly), (0.8, belly * 0.7), (0.92, 0.06)]
        paint(drawing, polygon(turned(foot)), look.accent, cylinder(0.5, 0.3))
    plate = rng.uniform(0.12, 0.18)
    paint(drawing, ellipse(0.5, 0.92, plate, 0.028), darker(look.accent, 0.25), slope())
    shade = polygon(
        [(0.5 - narrow, top), (0.5 + narrow, top), (0.5 + wide, low), (0.5 - wide, low)]
    )
    paint(drawing, shade, cloth(rng, look), cylinder(0.25 if lit else 0.45, 0.05))
    if lit:
        warm = np.linspace(0.1, 1, 12)[:, None] * np.sin(np.linspace(0.3, 2.84, 24))[None, :]
        glow = Image.fromarray(np.round(warm * 165).astype(np.uint8)).resize((SIDE, SIDE))
        paint(drawing, within(shade, glow), _GLOW)
    for x, y, half in ((0.5, top, narrow), (0.5, low, wide)):
        trim = rounded(x - half, y - 0.008, x + half, y + 0.008, 0.006)
        paint(drawing, trim, darker(look.main, 0.25))


def _desk_lamp(drawing: Image.Image, rng: np.random.Generator, look: Appearance, lit: bool) -> None:
    knee = (rng.uniform(0.22, 0.36), rng.uniform(0.42, 0.54))
    head = (rng.uniform(0.5, 0.62), rng.uniform(0.16, 0.24))
    size = rng.uniform(0.13, 0.18)
    paint(drawing, ellipse(0.42, 0.9, 0.19, 0.045), darker(look.main, 0.2), slope())
    for start, end in (((0.42, 0.88), knee), (knee, head)):
        paint(drawing, stroke([start, end], 0.026), mix(look.main, (120, 120, 126), 0.4), slope())
    paint(drawing, ellipse(*knee, 0.03, 0.03), look.accent, dome())
    mouth_y = head[1] + size * 1.25
    if lit:
        beam = polygon([(head[0] - size * 0.9, mouth_y), (head[0] + size * 1.2, mouth_y),
                        (head[0] + size * 2.0, 0.88), (head[0] - size * 1.6, 0.88)])  # fmt: skip
        paint(drawing, beam, _GLOW, opacity=0.22)
    cone = [(head[0] - 0.05, head[1] - 0.06), (head[0] + 0.05, head[1] - 0.06),
            (head[0] + size * 1.2, mouth_y), (head[0] - size * 0.9, mouth_y)]  # fmt: skip
    paint(drawing, polygon(cone), cloth(rng, look), cylinder(0.5, 0.25))
    bulb = _GLOW if lit else (232, 230, 222)
    paint(drawing, ellipse(head[0] + size * 0.15, mouth_y, size * 1.05, 0.03), bulb)


def _pendant(drawing: Image.Image, rng: np.random.Generator, look: Appearance, lit: bool) -> None:
    wide, high = rng.uniform(0.26, 0.38), rng.uniform(0.2, 0.36)
    low = rng.uniform(0.62, 0.76)
    paint(drawing, stroke([(0.5, 0.03), (0.5, low - high)], 0.012), (60, 60, 64))
    profile = [(low - high, 0.035), (low - high * rng.uniform(0.4, 0.8), wide * 0.7), (low, wide)]
    paint(drawing, polygon(turned(profile)), cloth(rng, look), cylinder(0.5, 0.3))
    inside = _GLOW if lit else darker(look.main, 0.45)
    paint(drawing, ellipse(0.5, low, wide, wide * 0.16), inside, slope())
    paint(drawing, ellipse(0.5, low + 0.02, 0.06, 0.06), lighter(_GLOW, 0.5), dome(0.1, 0.3))
