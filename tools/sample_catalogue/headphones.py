"""Headphones and earbuds."""

import numpy as np
from PIL import Image

from .appearance import Appearance, cloth
from .canvas import (
    blank,
    curve,
    cylinder,
    darker,
    dome,
    ellipse,
    lighter,
    minus,
    paint,
    rounded,
    slope,
    stroke,
    within,
)


def draw_headphones(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw headphones with a band, or a pair of earbuds in their case."""
    drawing = blank()
    if rng.random() < 0.22:
        _earbuds(drawing, rng, look)
        return drawing
    wide, rise = rng.uniform(0.25, 0.33), rng.uniform(0.3, 0.44)
    ear_y = rng.uniform(0.58, 0.66)
    angles = np.linspace(np.pi, 2 * np.pi, 40)
    arc = [(0.5 + wide * float(np.cos(a)), ear_y - 0.04 + rise * float(np.sin(a))) for a in angles]
    thick = rng.uniform(0.03, 0.06)
    band = darker(look.main, 0.1)
    paint(drawing, stroke(arc, thick), band, slope(1.2, 0.85))
    paint(drawing, stroke(arc[8:-8], thick * 1.35), look.accent, slope(1.15, 0.85))
    if rng.random() < 0.3:
        cable = curve([(0.5 - wide, 0.78), (0.4, 0.9), (0.56, 0.86), (0.64, 0.97)], closed=False)
        paint(drawing, stroke(cable, 0.012), (40, 40, 46))
    high, deep = rng.uniform(0.11, 0.17), rng.uniform(0.06, 0.11)
    for side in (-1, 1):
        x = 0.5 + side * wide
        pad = rounded(x - side * deep * 1.3 if side > 0 else x, ear_y - high * 0.95,
                      x if side > 0 else x + deep * 1.3, ear_y + high * 0.95, 0.04)  # fmt: skip
        paint(drawing, pad, darker(look.accent, 0.5), slope())
        paint(drawing, ellipse(x + side * 0.01, ear_y, deep, high), look.main, dome(0.4, 0.25))
        trim = ellipse(x + side * 0.02, ear_y, deep * 0.55, high * 0.62)
        paint(drawing, trim, cloth(rng, look), dome(0.3, 0.3))
        if rng.random() < 0.5:
            hole = ellipse(x + side * 0.02, ear_y, deep * 0.4, high * 0.46)
            paint(drawing, minus(trim, hole), look.accent)
    return drawing


def _earbuds(drawing: Image.Image, rng: np.random.Generator, look: Appearance) -> None:
    shell = lighter(look.main, 0.2)
    for side in (-1, 1):
        x = 0.5 + side * rng.uniform(0.14, 0.19)
        stem = stroke([(x, 0.24), (x - side * 0.015, 0.45)], 0.05)
        paint(drawing, stem, shell, cylinder(0.4, 0.2))
        paint(drawing, ellipse(x - side * 0.085, 0.235, 0.04, 0.05), (70, 70, 78), dome())
        paint(drawing, ellipse(x - side * 0.03, 0.22, 0.078, 0.088), shell, dome(0.4, 0.25))
        paint(drawing, ellipse(x + side * 0.02, 0.22, 0.014, 0.03), darker(shell, 0.4))
    wide, tall = rng.uniform(0.2, 0.3), rng.uniform(0.14, 0.18)
    case = rounded(0.5 - wide, 0.72 - tall, 0.5 + wide, 0.72 + tall, 0.11)
    paint(drawing, case, cloth(rng, look), dome(0.4, 0.12))
    seam = rounded(0, 0.655, 1, 0.663, 0)
    paint(drawing, within(case, seam), darker(look.main, 0.5))
    paint(drawing, ellipse(0.5, 0.74, 0.012, 0.012), (150, 230, 160))
