"""Masks, curves and light: the few strokes that every drawing is made of.

A drawing is a square RGBA image of `SIDE` pixels, about twice as large as it ends up in a photo, so
that hard-edged masks come out smooth. Coordinates run from 0 to 1, to the right and down.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw
from scipy.interpolate import CubicSpline, PchipInterpolator
from shelfsure.core.arrays import Floats

SIDE = 640

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]
Mask: TypeAlias = Image.Image  # mode L, 0 or 255


def blank() -> Image.Image:
    """Start a drawing: a square of nothing."""
    return Image.new("RGBA", (SIDE, SIDE))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend `share` (0 to 1) of `other` into `one`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float = 0.3) -> Colour:
    return mix(colour, (12, 12, 22), share)


def lighter(colour: Colour, share: float = 0.4) -> Colour:
    return mix(colour, (255, 255, 255), share)


def polygon(points: Sequence[Point]) -> Mask:
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).polygon([(x * SIDE, y * SIDE) for x, y in points], fill=255)
    return mask


def ellipse(x: float, y: float, rx: float, ry: float) -> Mask:
    """Fill an ellipse around its centre."""
    mask = Image.new("L", (SIDE, SIDE))
    box = ((x - rx) * SIDE, (y - ry) * SIDE, (x + rx) * SIDE, (y + ry) * SIDE)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> Mask:
    mask = Image.new("L", (SIDE, SIDE))
    box = (x0 * SIDE, y0 * SIDE, x1 * SIDE, y1 * SIDE)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius * SIDE, fill=255)
    return mask


def stroke(points: Sequence[Point], width: float) -> Mask:
    """Draw a line with round joints and ends."""
    mask = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(mask)
    path = [(x * SIDE, y * SIDE) for x, y in points]
    draw.line(path, fill=255, width=max(1, round(width * SIDE)), joint="curve")
    for x, y in (path[0], path[-1]):
        draw.circle((x, y), width * SIDE / 2, fill=255)
    return mask


def minus(mask: Mask, hole: Mask) -> Mask:
    return ImageChops.subtract(mask, hole)


def within(mask: Mask, other: Mask) -> Mask:
    return ImageChops.multiply(mask, other)


def curve(points: Sequence[Point], closed: bool = True) -> list[Point]:
    """Run a smooth curve through the points."""
    knots = np.array([*points, points[0]] if closed else points)
    spline = CubicSpline(np.arange(len(knots)), knots, bc_type="periodic" if closed else "natural")
    path = spline(np.linspace(0, len(knots) - 1, 12 * len(knots)))
    return [(float(x), float(y)) for x, y in path]


def turned(profile: Sequence[Point], x: float = 0.5) -> list[Point]:
    """Outline a body made on a lathe, from ``(height, half width)`` pairs, top to bottom."""
    heights, widths = np.array(profile).T
    ys = np.linspace(heights[0], heights[-1], 60)
    half = PchipInterpolator(heights, widths)(ys)
    right = [(x + float(w), float(y)) for w, y in zip(half, ys, strict=True)]
    return right + [(2 * x - px, y) for px, y in reversed(right)]


def mirrored(rng: np.random.Generator, drawing: Image.Image) -> Image.Image:
    """Swap left and right in every second drawing."""
    swap = rng.random() < 0.5
    return drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if swap else drawing


def paint(
    drawing: Image.Image,
    mask: Mask,
    fill: Image.Image | Colour,
    light: Floats | None = None,
    opacity: float = 1.0,
) -> None:
    """Lay `fill` over the drawing where `mask` is set; changes `drawing`.

    Parameters
    ----------
    fill
        A colour, or an RGB image of `SIDE` by `SIDE` pixels of which the mask cuts its part.
    light
        Any small 2-d array, stretched over the mask's box: 1 keeps the colour, 0 is black, 2 white.
    opacity
        0 to 1.
    """
    box = mask.getbbox()
    if box is None:
        return
    size = (box[2] - box[0], box[3] - box[1])
    part = fill.crop(box) if isinstance(fill, Image.Image) else Image.new("RGB", size, fill)
    if light is not None:
        part = shine(part, light)
    cut = mask.crop(box)
    if opacity < 1:
        cut = cut.point([round(value * opacity) for value in range(256)])
    top = part.convert("RGBA")
    top.putalpha(cut)
    drawing.alpha_composite(top, box[:2])


def shine(image: Image.Image, light: Floats) -> Image.Image:
    """Darken and brighten an RGB image by a small array of light, 1 meaning unchanged."""
    lit = image.copy()
    for colour, amount in (((0, 0, 0), 1 - light), ((255, 255, 255), light - 1)):
        if amount.max() > 0:
            small = Image.fromarray(np.round(amount.clip(0, 1) * 255).astype(np.uint8))
            lit.paste(colour, mask=small.resize(image.size, Image.Resampling.BILINEAR))
    return lit


def cylinder(depth: float = 0.45, gloss: float = 0.2) -> Floats:
    """Light on an upright round body, from the left; shape ``(1, 64)``."""
    x = np.linspace(0, 1, 64)
    side = np.abs(x - 0.36) / 0.64
    return (1.04 - depth * side**1.8 + gloss * np.exp(-(((x - 0.24) / 0.06) ** 2)))[None, :]


def dome(depth: float = 0.3, gloss: float = 0.15) -> Floats:
    """Light on a ball or a dish, from the upper left; shape ``(48, 48)``."""
    y, x = np.mgrid[0:1:48j, 0:1:48j]
    far = np.hypot(x - 0.36, y - 0.3)
    lit: Floats = 1.06 - depth * far**1.5 + gloss * np.exp(-((far / 0.16) ** 2))
    return lit


def slope(start: float = 1.08, end: float = 0.84) -> Floats:
    """Light that falls off from the upper left to the lower right; shape ``(24, 24)``."""
    y, x = np.mgrid[0:1:24j, 0:1:24j]
    lit: Floats = start + (end - start) * (x + 1.4 * y) / 2.4
    return lit


def folds(rng: np.random.Generator, strength: float = 0.1) -> Floats:
    """Light on hanging cloth: a slope with upright ripples; shape ``(24, 24)``."""
    y, x = np.mgrid[0:1:24j, 0:1:24j]
    phase, lean, waves = rng.uniform(0, 6), rng.uniform(-2, 2), rng.uniform(2, 4.5)
    ripples = np.sin(2 * np.pi * waves * x + lean * y * 3 + phase) * (0.3 + y)
    rough = rng.normal(0, 0.25, (24, 24))
    return np.asarray(slope(1.06, 0.88) + strength * 0.7 * ripples + strength * 0.3 * rough)
