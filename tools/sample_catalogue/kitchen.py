"""Mugs, bottles and plates."""

import numpy as np
from PIL import Image

from .appearance import Appearance, cloth
from .canvas import (
    Colour,
    blank,
    curve,
    cylinder,
    darker,
    dome,
    ellipse,
    lighter,
    minus,
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

_DRINKS: tuple[Colour, ...] = ((70, 42, 28), (150, 98, 60), (176, 96, 40), (232, 222, 206))


def draw_mug(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a cup from the side and a little above; a few have no handle."""
    drawing = blank()
    width = rng.uniform(0.19, 0.28)
    top, bottom = 0.5 - rng.uniform(0.17, 0.36), 0.5 + rng.uniform(0.2, 0.34)
    foot = width * rng.uniform(0.6, 1.0)
    belly = width * rng.uniform(0.9, 1.14)
    tilt = rng.uniform(0.1, 0.3)
    if rng.random() < 0.84:
        _handle(drawing, rng, width * 0.94, top, bottom, look)
    body = polygon(turned([(top, width), ((top + bottom) / 2, belly), (bottom, foot)]))
    base = ellipse(0.5, bottom, foot, foot * tilt * 0.8)
    wall = cloth(rng, look)
    whole = Image.composite(body, base, body)
    paint(drawing, whole, wall, cylinder(0.5, rng.uniform(0.05, 0.25)))
    kind = rng.integers(4)
    if kind == 0:  # a printed badge
        paint(drawing, ellipse(0.47, 0.53, width * 0.42, width * 0.42), lighter(look.accent, 0.1))
        paint(drawing, _heart(0.47, 0.53, width * 0.22), lighter(look.main, 0.6))
    elif kind == 1:  # a dipped foot
        low = rounded(0, bottom - rng.uniform(0.1, 0.2), 1, 1, 0)
        paint(drawing, within(whole, low), look.accent, cylinder(0.5, 0.1))
    lip = darker(look.accent, 0.1) if kind == 2 else lighter(look.main, 0.35)
    paint(drawing, ellipse(0.5, top, width, width * tilt), lip)
    paint(drawing, ellipse(0.5, top, width * 0.92, width * tilt * 0.88), darker(lip, 0.25), slope())
    if rng.random() < 0.6:
        drink = _DRINKS[rng.integers(len(_DRINKS))]
        surface = ellipse(0.5, top + width * tilt * 0.2, width * 0.83, width * tilt * 0.66)
        paint(drawing, surface, drink, dome(0.2, 0.1))
    return mirrored(rng, drawing)


def _handle(
    drawing: Image.Image,
    rng: np.random.Generator,
    x: float,
    top: float,
    bottom: float,
    look: Appearance,
) -> None:
    height = (bottom - top) * rng.uniform(0.28, 0.36)
    middle = (top + bottom) / 2 - rng.uniform(0, 0.03)
    reach = rng.uniform(0.11, 0.19)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 30)
    squareness = rng.uniform(0.55, 1.0)
    arc = [
        (0.5 + x + reach * float(np.cos(a)) ** squareness, middle + height * float(np.sin(a)))
        for a in angles
    ]
    colour = look.accent if rng.random() < 0.3 else look.main
    thick = rng.uniform(0.04, 0.065)
    paint(drawing, stroke(arc, thick), darker(colour, 0.22), slope())
    paint(drawing, stroke([(px - 0.008, py - 0.008) for px, py in arc], thick * 0.5), colour)


def _heart(x: float, y: float, size: float) -> Image.Image:
    t = np.linspace(0, 2 * np.pi, 60)
    across = 16 * np.sin(t) ** 3
    down = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    outline = np.stack([x + across * size / 16, y + down * size / 16], axis=1)
    return polygon([(float(a), float(b)) for a, b in outline])


def draw_bottle(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a flask, a drinks bottle or a carafe; carafes come close to vases."""
    drawing = blank()
    glassy = rng.random() < 0.4
    width = rng.uniform(0.12, 0.2)
    neck = width * rng.uniform(0.28, 0.7)
    shoulder = rng.uniform(0.3, 0.46)
    top = 0.1 + rng.uniform(0, 0.06)
    waist = width * rng.uniform(0.86, 1.04)
    capped = rng.random() < 0.78
    profile = [
        (top, neck), (shoulder - 0.1, neck * 1.04), (shoulder, width),
        (0.66, waist), (0.91, width * rng.uniform(0.9, 1)), (0.94, width * 0.86),
    ]  # fmt: skip
    body = polygon(turned(profile))
    light = cylinder(0.5, 0.35 if glassy else 0.18)
    paint(drawing, body, cloth(rng, look), light, opacity=0.7 if glassy else 1)
    if glassy:
        drink = within(body, rounded(0, rng.uniform(0.4, 0.6), 1, 1, 0))
        paint(drawing, drink, darker(look.main, 0.2), cylinder(0.5, 0.3), opacity=0.5)
    if rng.random() < 0.55:
        label = rounded(0, rng.uniform(0.5, 0.56), 1, rng.uniform(0.7, 0.82), 0)
        paint(drawing, within(body, label), lighter(look.accent, 0.55), cylinder(0.35, 0.05))
        band = rounded(0, 0.6, 1, rng.uniform(0.62, 0.67), 0)
        paint(drawing, within(body, band), look.accent, cylinder(0.35, 0.05))
    if capped:
        cap = darker(look.accent, 0.15) if rng.random() < 0.7 else (150, 116, 84)
        wide = max(neck * 1.12, 0.05)
        if rng.random() < 0.35:  # a carrying loop
            loop = minus(
                ellipse(0.5, top - 0.03, wide, 0.07), ellipse(0.5, top - 0.03, wide * 0.6, 0.042)
            )
            paint(drawing, loop, cap, slope())
        lid = rounded(0.5 - wide, top - 0.05, 0.5 + wide, top + rng.uniform(0.02, 0.06), 0.015)
        paint(drawing, lid, cap, cylinder(0.5, 0.25))
    else:
        paint(drawing, ellipse(0.5, top, neck, neck * 0.25), darker(look.main, 0.45))
    return drawing


def draw_plate(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a plate from above or aslant, with a decorated rim, sometimes a pile of them."""
    drawing = blank()
    radius = rng.uniform(0.36, 0.46)
    flat = rng.uniform(0.42, 1.0)
    plain = mix(look.main, (248, 246, 240), rng.choice([0.0, 0.65]))
    pile = int(rng.integers(2, 5)) if flat < 0.7 and rng.random() < 0.5 else 1
    y = 0.5 + 0.03 * (pile - 1)
    for _ in range(pile):
        y -= 0.03
        paint(drawing, ellipse(0.5, y + 0.022, radius, radius * flat), darker(plain, 0.35), slope())
        paint(drawing, ellipse(0.5, y, radius, radius * flat), plain, dome(0.22, 0.05))
    well = radius * rng.uniform(0.6, 0.76)
    rim = minus(
        ellipse(0.5, y, radius * 0.98, radius * 0.98 * flat), ellipse(0.5, y, well, well * flat)
    )
    style = rng.integers(5)
    if style == 0:
        paint(drawing, rim, cloth(rng, look), dome(0.22, 0.05))
    elif style == 1:
        for angle in np.arange(count := int(rng.integers(10, 22))) * 2 * np.pi / count:
            reach = (radius + well) / 2
            spot = (0.5 + reach * float(np.cos(angle)), y + reach * flat * float(np.sin(angle)))
            paint(drawing, ellipse(*spot, 0.022, 0.022 * flat), look.accent)
    elif style == 2:
        inner = radius * 0.91
        edge = minus(rim, ellipse(0.5, y, inner, inner * flat))
        paint(drawing, edge, look.accent, dome(0.2, 0.05))
    floor = ellipse(0.5, y + 0.006, well * 0.97, well * 0.97 * flat)
    paint(drawing, ellipse(0.5, y, well, well * flat), darker(plain, 0.16))
    paint(drawing, floor, cloth(rng, look) if style == 3 else plain, dome(0.14, 0.16))
    if style in (1, 4) and rng.random() < 0.6:  # a painted flower
        _flower(drawing, y, well * 0.5, flat, look, int(rng.integers(5, 9)))
    return drawing


def _flower(
    drawing: Image.Image, y: float, size: float, flat: float, look: Appearance, petals: int
) -> None:
    for angle in np.arange(petals) * 2 * np.pi / petals:
        tips = [(0.0, 0.0), (0.55, -0.22), (1.0, 0.0), (0.55, 0.22)]
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        leaf = [
            (0.5 + size * (a * cos - b * sin), y + size * flat * (a * sin + b * cos))
            for a, b in tips
        ]
        paint(drawing, polygon(curve(leaf)), look.accent, opacity=0.9)
    paint(drawing, ellipse(0.5, y, size * 0.2, size * 0.2 * flat), lighter(look.accent, 0.5))
