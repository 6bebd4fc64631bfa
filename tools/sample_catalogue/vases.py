"""Vases, empty or with flowers."""

import numpy as np
from PIL import Image

from .appearance import PALETTE, Appearance, cloth
from .canvas import (
    blank,
    curve,
    cylinder,
    darker,
    dome,
    ellipse,
    minus,
    paint,
    polygon,
    rounded,
    slope,
    stroke,
    turned,
    within,
)


def draw_vase(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a vase, every second one with something in it."""
    drawing = blank()
    top = rng.uniform(0.12, 0.3)
    if filled := rng.random() < 0.5:
        top = rng.uniform(0.42, 0.52)
    lip, foot = rng.uniform(0.06, 0.16), rng.uniform(0.07, 0.15)
    belly, neck = rng.uniform(0.13, 0.27), rng.uniform(0.05, 0.13)
    height = 0.93 - top
    low = rng.uniform(0.45, 0.7)
    profile = [(top, lip), (top + height * 0.16, neck), (top + height * low, belly), (0.93, foot)]
    if filled:
        _bouquet(drawing, rng, top, lip)
    body = polygon(turned(profile))
    glassy = rng.random() < 0.25
    light = cylinder(0.5, rng.uniform(0.05, 0.4))
    paint(drawing, body, cloth(rng, look), light, opacity=0.72 if glassy else 1)
    if rng.random() < 0.35:
        bands = minus(rounded(0, top + height * 0.45, 1, top + height * 0.72, 0),
                      rounded(0, top + height * 0.5, 1, top + height * 0.66, 0))  # fmt: skip
        paint(drawing, within(body, bands), darker(look.accent, 0.1), light)
    if not filled:
        paint(drawing, ellipse(0.5, top, lip, lip * 0.22), darker(look.main, 0.5))
    return drawing


def _bouquet(drawing: Image.Image, rng: np.random.Generator, top: float, lip: float) -> None:
    """Let stems with leaves and blossoms grow out of the neck."""
    petals = PALETTE[str(rng.choice(["coral", "pink", "red", "mustard", "white", "purple"]))]
    leafy = rng.random() < 0.4
    for lean in np.linspace(-1, 1, int(rng.integers(3, 7))) + rng.normal(0, 0.1):
        tip = (0.5 + float(lean) * 0.24, top - rng.uniform(0.2, 0.36))
        root = (0.5 + float(lean) * lip * 0.5, top + 0.03)
        bend = ((tip[0] + root[0]) / 2 + rng.normal(0, 0.03), (tip[1] + root[1]) / 2)
        stem = curve([root, bend, tip], closed=False)
        paint(drawing, stroke(stem, 0.01), (84, 122, 72))
        for along in stem[10:-6:6]:
            for side in (-1, 1):
                leaf = ellipse(along[0] + side * 0.028, along[1], 0.026, 0.012)
                paint(drawing, leaf, (96, 146, 86), slope())
        if not leafy:
            for angle in np.arange(6) * np.pi / 3:
                spot = (
                    tip[0] + 0.036 * float(np.cos(angle)),
                    tip[1] + 0.036 * float(np.sin(angle)),
                )
                paint(drawing, ellipse(*spot, 0.03, 0.03), petals, dome(0.4, 0.1))
            paint(drawing, ellipse(*tip, 0.022, 0.022), PALETTE["mustard"])
