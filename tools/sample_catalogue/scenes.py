"""From a drawing to a photo: place it, light it, and take the picture with an ordinary camera."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from .backgrounds import SURFACES, WALLS, Size, before_a_wall, studio
from .canvas import shine
from .overlays import overlaid

SIZES: tuple[Size, ...] = ((512, 640), (640, 512), (560, 560), (480, 640), (600, 600), (640, 480))
_CLOSE_UP_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a drawing stands in its photo.

    Parameters
    ----------
    size
        Width and height in pixels.
    share
        Part of the photo's shorter side that the drawing takes; above 1 only a part of it shows.
    turn
        Degrees, anticlockwise.
    offset
        Shift of its middle from the photo's, as a part of the free room, -1 to 1.
    """

    size: Size
    share: float
    turn: float
    offset: tuple[float, float]


def place(rng: np.random.Generator, *, standing: bool) -> Placement:
    """Draw a placement; what stands stays nearly upright, what lies may turn."""
    turn = rng.normal(0, 4) if standing else rng.uniform(-42, 42)
    if rng.random() < 0.05:
        turn += float(rng.choice([90, 180, -90]))
    across, down = rng.uniform(-0.7, 0.7, 2)
    return Placement(
        size=SIZES[rng.integers(len(SIZES))],
        share=rng.uniform(1.3, 2.0) if rng.random() < _CLOSE_UP_SHARE else rng.uniform(0.45, 0.92),
        turn=turn,
        offset=(across, down),
    )


def photograph(
    rng: np.random.Generator,
    product: Image.Image,
    *,
    standing: bool,
    prop: Image.Image | None = None,
) -> Image.Image:
    """Photograph a drawing.

    Parameters
    ----------
    product
        RGBA, transparent where there is nothing.
    standing
        It stands before a wall instead of lying on a surface.
    prop
        Another product that got into the picture, partly cut off and out of focus.
    """
    spot = place(rng, standing=standing)
    cut = _prepared(product, spot.share, spot)
    free = (spot.size[0] - cut.width, spot.size[1] - cut.height)
    left = round(free[0] * (0.5 + spot.offset[0] / 2))
    top = round(free[1] * (0.5 + spot.offset[1] / 2))
    plain = rng.random() < 0.3
    if standing and not plain and rng.random() < 0.7:
        top = round(free[1] * rng.uniform(0.5, 0.9))
        horizon = min(top + round(cut.height * rng.uniform(0.6, 0.9)), spot.size[1] - 40)
        image = before_a_wall(rng, spot.size, horizon)
    else:
        choices = WALLS if standing else SURFACES
        image = (studio if plain else choices[rng.integers(len(choices))])(rng, spot.size)
    if prop is not None:
        _add_prop(rng, image, prop, spot)
    _add_shadow(rng, image, cut, (left, top), standing=standing)
    image.paste(cut, (left, top), cut)
    return overlaid(rng, exposed(rng, image))


def fill_frame(rng: np.random.Generator, scenery: Image.Image) -> Image.Image:
    """Photograph scenery that fills the whole picture."""
    size = SIZES[rng.integers(len(SIZES))]
    return exposed(rng, ImageOps.fit(scenery.convert("RGB"), size, Image.Resampling.BICUBIC))


def _prepared(product: Image.Image, share: float, spot: Placement) -> Image.Image:
    """Crop, shrink and turn a drawing for its place."""
    cut = product.crop(product.getchannel("A").getbbox())
    cos, sin = abs(np.cos(np.radians(spot.turn))), abs(np.sin(np.radians(spot.turn)))
    extent = max(cut.width * cos + cut.height * sin, cut.width * sin + cut.height * cos)
    scale = share * min(spot.size) / extent
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    small = cut.resize(size, Image.Resampling.BICUBIC)
    return small.rotate(spot.turn, Image.Resampling.BILINEAR, expand=True)


def _add_prop(
    rng: np.random.Generator, image: Image.Image, prop: Image.Image, spot: Placement
) -> None:
    small = _prepared(prop, rng.uniform(0.35, 0.65), spot)
    small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2.5)))
    x = rng.choice([-small.width // 4, image.width - small.width * 3 // 4])
    y = int(rng.uniform(0.1, 0.8) * (image.height - small.height))
    image.paste(small, (int(x), y), small)


def _add_shadow(
    rng: np.random.Generator,
    image: Image.Image,
    cut: Image.Image,
    corner: tuple[int, int],
    *,
    standing: bool,
) -> None:
    """Darken the ground: a pool under what stands, a soft copy beside what lies."""
    shadow = Image.new("L", (image.width // 4, image.height // 4))
    left, top = corner[0] // 4, corner[1] // 4
    width, height = max(2, cut.width // 4), max(2, cut.height // 4)
    darkness = rng.uniform(0.3, 0.6)
    if standing:
        base = top + height
        ImageDraw.Draw(shadow).ellipse(
            (left - width * 0.02, base - height * 0.07, left + width * 1.12, base + height * 0.03),
            fill=round(255 * darkness),
        )
    else:
        copy = cut.getchannel("A").resize((width, height), Image.Resampling.BOX)
        shift = rng.integers(1, 5, 2)
        shadow.paste(round(255 * darkness), (left + int(shift[0]), top + int(shift[1])), copy)
    soft = shadow.filter(ImageFilter.GaussianBlur(rng.uniform(1.2, 4)))
    image.paste((18, 16, 24), mask=soft.resize(image.size, Image.Resampling.BILINEAR))


def exposed(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Add what a camera adds: uneven light, vignette, colour cast, blur and sensor noise."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    lean = rng.normal(0, 0.07, 2)
    light = rng.normal(1.0, 0.06) + lean[0] * x + lean[1] * y
    light -= rng.uniform(0, 0.16) * np.hypot(x, y) ** 2 * (rng.random() < 0.5)
    image = shine(image, light)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.5)))
    cast = rng.normal(1, 0.025, 3)
    image = image.point([min(255, round(v * gain)) for gain in cast for v in range(256)])
    # One tile of grain, repeated: nobody sees it, and it costs a tenth.
    tile = rng.normal(128, rng.uniform(0.3, 4), (128, 128)).clip(0, 255).astype(np.uint8)
    grain = Image.fromarray(np.tile(tile, (5, 5))[: image.height, : image.width]).convert("RGB")
    return ImageChops.add(image, grain, offset=-128)
