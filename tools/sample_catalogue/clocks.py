"""Wall clocks, alarm clocks and digital ones."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .appearance import PALETTE, Appearance, cloth
from .canvas import (
    SIDE,
    Point,
    blank,
    darker,
    dome,
    ellipse,
    lighter,
    mix,
    paint,
    rounded,
    slope,
    stroke,
)


def draw_clock(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a clock; the digital ones come close to a phone."""
    drawing = blank()
    if rng.random() < 0.14:
        _digital(drawing, rng, look)
        return drawing
    radius = rng.uniform(0.31, 0.44)
    alarm = rng.random() < 0.25
    if alarm:
        radius = rng.uniform(0.27, 0.32)
        for side in (-1, 1):
            leg = [(0.5 + side * radius * 0.6, 0.8), (0.5 + side * radius * 0.85, 0.93)]
            paint(drawing, stroke(leg, 0.035), darker(look.main, 0.3))
            paint(
                drawing, ellipse(0.5 + side * 0.17, 0.27, 0.11, 0.09), look.accent, dome(0.5, 0.4)
            )
    y = 0.56 if alarm else 0.5
    square = not alarm and rng.random() < 0.2
    inner = radius * rng.uniform(0.82, 0.93)
    face = lighter(look.accent, rng.choice([0.85, 0.85, 0.5, 0.0]))

    def shape(size: float) -> Image.Image:
        if square:
            return rounded(0.5 - size, y - size, 0.5 + size, y + size, 0.05)
        return ellipse(0.5, y, size, size)

    paint(drawing, shape(radius), look.main, slope(1.2, 0.75))
    paint(drawing, shape(inner + 0.008), darker(look.main, 0.4))
    fancy = look.pattern != "plain" and rng.random() < 0.35
    paint(drawing, shape(inner), cloth(rng, look) if fancy else face, dome(0.12, 0.05))
    ink = (40, 40, 46) if sum(face) > 330 else (238, 236, 228)
    _dial(drawing, rng, y, inner, mix(ink, look.main, 0.2), look)
    return drawing


def _dial(
    drawing: Image.Image,
    rng: np.random.Generator,
    y: float,
    inner: float,
    ink: tuple[int, int, int],
    look: Appearance,
) -> None:
    def at(turn: float, reach: float) -> Point:
        angle = 2 * np.pi * turn - np.pi / 2
        return 0.5 + reach * float(np.cos(angle)), y + reach * float(np.sin(angle))

    style = rng.integers(4)
    font = ImageFont.load_default(inner * SIDE * 0.2)
    draw = ImageDraw.Draw(drawing)
    for hour in range(1, 13):
        turn = hour / 12
        if style == 0:
            px, py = at(turn, inner * 0.8)
            draw.text((px * SIDE, py * SIDE), str(hour), ink, font, anchor="mm")
        elif style == 1 or (style == 2 and hour % 3 == 0):
            paint(drawing, stroke([at(turn, inner * 0.82), at(turn, inner * 0.93)], 0.014), ink)
    hours, minutes = rng.uniform(0, 12), rng.uniform(0, 60)
    paint(drawing, stroke([at(0.5 + hours / 12, 0.03), at(hours / 12, inner * 0.5)], 0.022), ink)
    paint(
        drawing, stroke([at(0.5 + minutes / 60, 0.04), at(minutes / 60, inner * 0.76)], 0.014), ink
    )
    if rng.random() < 0.5:
        second = rng.uniform(0, 1)
        hand = stroke([at(second + 0.5, 0.06), at(second, inner * 0.8)], 0.006)
        paint(drawing, hand, PALETTE["red"])
    paint(drawing, ellipse(0.5, y, 0.02, 0.02), darker(look.main, 0.2), dome())


def _digital(drawing: Image.Image, rng: np.random.Generator, look: Appearance) -> None:
    tall = rng.uniform(0.16, 0.26)
    paint(drawing, rounded(0.1, 0.5 - tall, 0.9, 0.5 + tall, 0.05), look.main, slope(1.15, 0.75))
    paint(drawing, rounded(0.15, 0.55 - tall, 0.85, 0.45 + tall, 0.02), (22, 24, 30))
    font = ImageFont.load_default(SIDE * 0.24)
    glow = lighter(look.accent, 0.35)
    text = f"{rng.integers(24):02d}:{rng.integers(60):02d}"
    ImageDraw.Draw(drawing).text((SIDE / 2, SIDE / 2), text, glow, font, anchor="mm")
