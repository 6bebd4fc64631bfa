"""T-shirts, dresses and socks, laid flat or hung."""

import numpy as np
from PIL import Image

from .appearance import Appearance, cloth
from .canvas import (
    Point,
    blank,
    curve,
    darker,
    ellipse,
    folds,
    lighter,
    mirrored,
    paint,
    polygon,
    rounded,
    stroke,
    within,
)


def _whole(right: list[Point]) -> list[Point]:
    """Complete a garment's right half, given from the neck to the hem, with its left half."""
    return right + [(1 - x, y) for x, y in reversed(right)]


def _edge(drawing: Image.Image, outline: list[Point], look: Appearance) -> None:
    paint(drawing, stroke([*outline, outline[0]], 0.006), darker(look.main, 0.4), opacity=0.55)


def draw_t_shirt(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a shirt: short or long sleeves, round, V or collared neck, plain or with a print."""
    drawing = blank()
    neck = rng.uniform(0.08, 0.12)
    shoulder, chest = rng.uniform(0.23, 0.29), rng.uniform(0.19, 0.25)
    hem = rng.uniform(0.76, 0.92)
    long = rng.random() < 0.25
    cuff_y = rng.uniform(0.62, 0.72) if long else rng.uniform(0.36, 0.43)
    cuff_x = rng.uniform(0.38, 0.43)
    right = [
        (0.5 + neck, 0.12), (0.5 + shoulder, 0.18), (0.5 + cuff_x, cuff_y),
        (0.5 + cuff_x - 0.11, cuff_y + 0.045), (0.5 + chest + 0.005, 0.36),
        (0.5 + chest * rng.uniform(0.92, 1.12), hem),
    ]  # fmt: skip
    outline = _whole(right)
    body = polygon(outline)
    paint(drawing, body, cloth(rng, look), folds(rng))
    for side in (1, -1):  # seams between sleeve and body
        seam = [(0.5 + side * shoulder * 0.96, 0.185), (0.5 + side * chest, 0.37)]
        paint(drawing, stroke(seam, 0.005), darker(look.main), opacity=0.6)
    _edge(drawing, outline, look)
    trim = look.accent if rng.random() < 0.4 else darker(look.main, 0.18)
    drop = rng.uniform(0.03, 0.06)
    style = rng.integers(3)
    if style == 0:
        vee = [(0.5 - neck, 0.118), (0.5 + neck, 0.118), (0.5, 0.12 + drop * 2.4)]
        paint(drawing, polygon(vee), darker(look.main, 0.45))
        paint(drawing, stroke([vee[0], vee[2], vee[1]], 0.018), trim)
    else:
        paint(drawing, ellipse(0.5, 0.12, neck, drop + 0.022), trim)
        paint(drawing, ellipse(0.5, 0.118, neck * 0.86, drop), darker(look.main, 0.45))
    if style == 2 and rng.random() < 0.6:  # a polo collar and buttons
        for side in (1, -1):
            flap = [(0.5, 0.21), (0.5 + side * neck, 0.105), (0.5 + side * (neck + 0.05), 0.18)]
            paint(drawing, polygon(flap), trim, folds(rng))
        paint(drawing, rounded(0.488, 0.2, 0.512, 0.34, 0.005), trim)
    if look.pattern == "plain" and rng.random() < 0.6:
        _print(drawing, rng, look)
    return drawing


def _print(drawing: Image.Image, rng: np.random.Generator, look: Appearance) -> None:
    """Put a picture on the chest: a sun over waves, a mountain, bars or a star."""
    light = lighter(look.accent, 0.25)
    kind = rng.integers(4)
    if kind == 0:
        disc = ellipse(0.5, 0.42, 0.1, 0.1)
        paint(drawing, disc, light)
        for y in (0.43, 0.46, 0.49):
            paint(drawing, within(disc, rounded(0, y, 1, y + 0.012, 0)), look.main)
    elif kind == 1:
        paint(drawing, polygon([(0.38, 0.5), (0.47, 0.35), (0.56, 0.5)]), light)
        paint(drawing, polygon([(0.46, 0.5), (0.54, 0.4), (0.63, 0.5)]), look.accent)
    elif kind == 2:
        for row in range(3):
            y = 0.36 + row * 0.045
            paint(drawing, rounded(0.4, y, 0.6 - 0.05 * row, y + 0.025, 0.01), light)
    else:
        angles = np.arange(10) * np.pi / 5 - np.pi / 2
        reach = np.where(np.arange(10) % 2, 0.05, 0.115)
        star = [
            (0.5 + float(r * np.cos(a)), 0.44 + float(r * np.sin(a)))
            for a, r in zip(angles, reach, strict=True)
        ]
        paint(drawing, polygon(star), light)


def draw_dress(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw a dress: straps, short sleeves or none; short tunics come close to T-shirts."""
    drawing = blank()
    bust, waist = rng.uniform(0.12, 0.17), rng.uniform(0.09, 0.14)
    waist_y = rng.uniform(0.36, 0.46)
    hem_y, hem = rng.uniform(0.72, 0.95), rng.uniform(0.17, 0.38)
    top = rng.uniform(0.1, 0.15)
    sleeves = rng.random()
    cut = [(0.5 + bust, 0.27), (0.5 + waist, waist_y)]
    if sleeves < 0.42:  # short or long sleeves
        drop = rng.uniform(0.1, 0.2) if sleeves < 0.28 else 0.36
        right = [(0.57, 0.09), (0.5 + bust + 0.05, 0.13), (0.5 + bust + 0.15, 0.13 + drop),
                 (0.5 + bust + 0.07, 0.16 + drop), *cut]  # fmt: skip
    elif sleeves < 0.7:
        right = [(0.5 + bust * 0.55, 0.09), (0.5 + bust * 0.95, 0.1), *cut]
    else:
        for side in (1, -1):
            strap = [(0.5 + side * bust * 0.75, 0.2), (0.5 + side * bust * 0.6, top - 0.06)]
            paint(drawing, stroke(strap, 0.018), darker(look.main, 0.1))
        right = [(0.5 + bust * 0.3, 0.19), (0.5 + bust * 0.85, 0.17), *cut]
    sway = rng.uniform(0.25, 0.6)
    right += [
        (0.5 + waist + (hem - waist) * sway, waist_y + (hem_y - waist_y) * 0.45),
        (0.5 + hem, hem_y),
    ]
    wave = np.linspace(hem, -hem, 24)
    ripple = 0.012 * np.sin(np.linspace(0, rng.uniform(12, 26), 24)) + 0.014
    skirt_edge = [(0.5 + float(x), hem_y + float(r)) for x, r in zip(wave, ripple, strict=True)]
    outline = right + skirt_edge + [(1 - x, y) for x, y in reversed(right)]
    body = polygon(outline)
    paint(drawing, body, cloth(rng, look), folds(rng, 0.16))
    _edge(drawing, outline, look)
    if sleeves < 0.7:
        neck = within(body, ellipse(0.5, 0.09, 0.065, rng.uniform(0.03, 0.08)))
        paint(drawing, neck, darker(look.main, 0.45))
    if rng.random() < 0.5:
        belt = within(body, rounded(0, waist_y - 0.018, 1, waist_y + 0.018, 0))
        paint(drawing, belt, darker(look.accent, 0.1), folds(rng))
        if rng.random() < 0.4:
            for side in (1, -1):
                bow = [(0.5, waist_y), (0.5 + side * 0.07, waist_y - 0.035),
                       (0.5 + side * 0.07, waist_y + 0.035)]  # fmt: skip
                paint(drawing, polygon(bow), look.accent)
    return drawing


def draw_socks(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Draw one pair: ankle to knee length, the second sock shifted and turned."""
    drawing = blank()
    length = rng.uniform(0.1, 0.5)
    foot = rng.uniform(0.26, 0.34)
    leg = rng.uniform(0.075, 0.095)
    fabric = cloth(rng, look)
    trim = look.accent if rng.random() < 0.7 else darker(look.main, 0.2)
    ribbed, tipped = rng.random() < 0.7, rng.random() < 0.75
    light = folds(rng)
    sock = blank()
    x, top, sole = 0.34, 0.62 - length, 0.84
    outline = [(x - leg, top), (x + leg, top), (x + leg, 0.66)]
    outline += curve(
        [(x + leg, 0.66), (x + leg + 0.04, 0.7), (x + foot, 0.73), (x + foot + 0.055, 0.78),
         (x + foot, sole), (x + 0.02, sole), (x - leg - 0.012, 0.8), (x - leg, 0.68)],
        closed=False,
    )  # fmt: skip
    body = polygon(outline)
    paint(sock, body, fabric, light)
    if tipped:
        paint(sock, within(body, ellipse(x - leg, sole, 0.12, 0.12)), trim, light)
        paint(sock, within(body, rounded(x + foot - 0.02, 0, 1, 1, 0.03)), trim, light)
    cuff = within(body, rounded(0, 0, 1, top + 0.06, 0))
    paint(sock, cuff, trim, light)
    if ribbed:
        for line in np.arange(x - leg, x + leg, 0.018):
            rib = stroke([(float(line), top), (float(line), top + 0.058)], 0.004)
            paint(sock, rib, darker(trim, 0.35))
    _edge(sock, outline, look)
    shift, lean = rng.integers(110, 170), rng.uniform(-14, 14)
    other = sock.rotate(lean, Image.Resampling.BILINEAR, translate=(int(shift), -30))
    drawing.alpha_composite(other)
    drawing.alpha_composite(sock)
    return mirrored(rng, drawing)
