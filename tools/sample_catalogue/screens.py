"""Phones and laptops."""

import numpy as np
from PIL import Image

from .appearance import PALETTE, Appearance, cloth
from .canvas import (
    SIDE,
    Colour,
    Mask,
    blank,
    darker,
    dome,
    ellipse,
    lighter,
    mix,
    paint,
    polygon,
    rounded,
    slope,
    within,
)

_METALS: tuple[Colour, ...] = ((52, 54, 60), (178, 182, 188), (214, 208, 196), (92, 98, 110))


def _wallpaper(rng: np.random.Generator) -> Image.Image:
    """Fill a screen: a gradient of two colours with soft hills."""
    names = rng.choice(list(PALETTE), 3, replace=False)
    first, second, third = (PALETTE[str(name)] for name in names)
    image = Image.new("RGB", (SIDE, SIDE), first)
    image.paste(
        Image.new("RGB", image.size, second), mask=Image.linear_gradient("L").resize(image.size)
    )
    for _ in range(3):
        x, y, size = rng.uniform(0.1, 0.9), rng.uniform(0.3, 0.9), rng.uniform(0.15, 0.35)
        tint = mix(third, first, rng.uniform(0, 0.7))
        image.paste(tint, mask=ellipse(x, y, size, size * rng.uniform(0.4, 1)))
    return image


def draw_phone(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a phone's front, its back, or one before the other; wide ones are almost tablets."""
    drawing = blank()
    half, tall = rng.uniform(0.17, 0.21), rng.uniform(0.36, 0.42)
    if rng.random() < 0.18:
        half = rng.uniform(0.24, 0.3)
    corner = rng.uniform(0.025, 0.06)
    view = rng.integers(5)
    x = 0.5 if view < 4 else 0.38
    if view in (0, 4):
        _phone_back(drawing, rng, look, x if view == 0 else 0.6, half, tall, corner)
    if view != 0:
        _phone_front(drawing, rng, look, x, half, tall, corner)
    return drawing


def _phone_back(
    drawing: Image.Image, rng: np.random.Generator, look: Appearance,
    x: float, half: float, tall: float, corner: float,
) -> None:  # fmt: skip
    shell = rounded(x - half, 0.5 - tall, x + half, 0.5 + tall, corner)
    inside = rounded(x - half + 0.01, 0.51 - tall, x + half - 0.01, 0.49 + tall, corner)
    paint(drawing, shell, darker(look.main, 0.3))
    paint(drawing, inside, cloth(rng, look), slope(1.16, 0.82))
    size = half * rng.uniform(0.7, 0.95)
    left, top = x - half + 0.035, 0.535 - tall
    lenses = int(rng.integers(1, 4))
    bump = rounded(left, top, left + size, top + size * (1.1 if lenses > 1 else 0.6), 0.03)
    paint(drawing, bump, darker(look.main, 0.2), slope())
    for spot in ((0.3, 0.3), (0.3, 0.78), (0.72, 0.54))[:lenses]:
        centre = (left + spot[0] * size, top + spot[1] * size)
        paint(drawing, ellipse(*centre, size * 0.19, size * 0.19), (28, 28, 34))
        paint(drawing, ellipse(*centre, size * 0.1, size * 0.1), (58, 66, 96), dome(0.3, 0.6))


def _phone_front(
    drawing: Image.Image, rng: np.random.Generator, look: Appearance,
    x: float, half: float, tall: float, corner: float,
) -> None:  # fmt: skip
    rim = darker(look.main, 0.1)
    paint(drawing, rounded(x - half, 0.5 - tall, x + half, 0.5 + tall, corner), rim, slope())
    glass = rounded(x - half + 0.01, 0.51 - tall, x + half - 0.01, 0.49 + tall, corner)
    paint(drawing, glass, (20, 20, 26))
    chin = rng.choice([0.012, 0.06])
    screen = rounded(
        x - half + 0.02, 0.51 - tall + chin, x + half - 0.02, 0.49 - chin + tall, corner * 0.7
    )
    lit = rng.random() < 0.8
    paint(drawing, screen, _wallpaper(rng) if lit else (34, 36, 46), slope(1.15, 0.9))
    if lit and rng.random() < 0.65:
        _icons(drawing, rng, x, half, tall)
    if rng.random() < 0.5:
        paint(drawing, rounded(x - 0.035, 0.525 - tall, x + 0.035, 0.545 - tall, 0.01), (8, 8, 10))
    shine = polygon([(x - half, 0.5 - tall), (x + half * 0.4, 0.5 - tall), (x - half, 0.5 + tall)])
    paint(drawing, within(glass, shine), (255, 255, 255), opacity=0.09)


def _icons(
    drawing: Image.Image, rng: np.random.Generator, x: float, half: float, tall: float
) -> None:
    colours = [PALETTE[str(name)] for name in rng.choice(list(PALETTE), 8)]
    step = half * 0.44
    for row in range(int(rng.integers(2, 5))):
        for column in range(4):
            left = x - half * 0.84 + column * step
            top = 0.5 + tall * 0.72 - row * step * 1.3
            icon = rounded(left, top, left + step * 0.66, top + step * 0.66, 0.012)
            paint(drawing, icon, colours[(row * 4 + column) % 8])


def draw_laptop(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a laptop: open before you, or closed and seen from above."""
    drawing = blank()
    metal = mix(look.main, _METALS[rng.integers(len(_METALS))], rng.uniform(0, 0.7))
    if rng.random() < 0.22:
        _closed(drawing, rng, look, metal)
        return drawing
    wide, tall = rng.uniform(0.33, 0.4), rng.uniform(0.38, 0.48)
    hinge, lean = 0.64, rng.uniform(-0.02, 0.05)
    top = hinge - tall
    lid = _slab(wide, wide - lean, top, hinge)
    paint(drawing, lid, darker(metal, 0.25))
    bezel = _slab(wide - 0.01, wide - lean - 0.01, top + 0.01, hinge)
    paint(drawing, bezel, (24, 25, 30))
    screen = _slab(wide - 0.025, wide - lean - 0.025, top + 0.028, hinge - 0.03)
    paint(drawing, screen, _wallpaper(rng), slope(1.15, 0.9))
    if rng.random() < 0.6:
        _windows(drawing, rng, screen, top, hinge)
    spread, deep = rng.uniform(0.01, 0.08), rng.uniform(0.1, 0.22)
    front = hinge + deep
    deck = _slab(wide, wide + spread, hinge, front)
    paint(drawing, deck, metal, slope(1.1, 0.9))
    for row in range(4):
        y = hinge + deep * (0.1 + 0.12 * row)
        reach = wide * 0.88 + spread * (y - hinge) / deep
        for key in np.linspace(-reach, reach, 14)[:-1]:
            left = 0.5 + float(key)
            cap = rounded(left, y, left + reach / 8.2, y + deep * 0.09, 0.003)
            paint(drawing, cap, darker(metal, 0.6))
    pad = 0.1
    paint(drawing, _slab(pad, pad * 1.05, hinge + deep * 0.66, front - 0.012), darker(metal, 0.14))
    edge = rounded(0.5 - wide - spread, front - 0.004, 0.5 + wide + spread, front + 0.018, 0.009)
    paint(drawing, edge, darker(metal, 0.35))
    return drawing


def _slab(top_half: float, bottom_half: float, top: float, bottom: float) -> Mask:
    return polygon(
        [(0.5 - top_half, top), (0.5 + top_half, top),
         (0.5 + bottom_half, bottom), (0.5 - bottom_half, bottom)]
    )  # fmt: skip


def _windows(
    drawing: Image.Image, rng: np.random.Generator, screen: Mask, top: float, hinge: float
) -> None:
    x, y = rng.uniform(0.2, 0.45), top + rng.uniform(0.06, 0.14)
    right, low = x + rng.uniform(0.2, 0.36), hinge - rng.uniform(0.06, 0.12)
    paint(drawing, within(screen, rounded(x, y, right, low, 0.01)), (244, 244, 246))
    paint(drawing, within(screen, rounded(x, y, right, y + 0.025, 0.01)), (206, 208, 214))
    for line in np.arange(y + 0.045, low - 0.02, 0.03):
        end = x + (right - x) * rng.uniform(0.5, 0.95)
        text = rounded(x + 0.015, float(line), end, float(line) + 0.01, 0.004)
        paint(drawing, within(screen, text), (176, 180, 190))


def _closed(
    drawing: Image.Image, rng: np.random.Generator, look: Appearance, metal: Colour
) -> None:
    tall = rng.uniform(0.26, 0.31)
    paint(drawing, rounded(0.09, 0.508 - tall, 0.91, 0.512 + tall, 0.03), darker(metal, 0.4))
    cover = rounded(0.09, 0.5 - tall, 0.91, 0.5 + tall, 0.03)
    skinned = rng.random() < 0.4
    paint(drawing, cover, cloth(rng, look) if skinned else metal, slope(1.14, 0.86))
    paint(drawing, ellipse(0.5, 0.5, 0.045, 0.045), lighter(metal, 0.4), dome())
