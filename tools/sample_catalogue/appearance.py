"""What colours and patterns a product comes in."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .canvas import SIDE, Colour, darker, lighter, mix

PALETTE: dict[str, Colour] = {
    "white": (240, 238, 233),
    "ivory": (236, 224, 198),
    "grey": (146, 150, 156),
    "black": (44, 45, 52),
    "navy": (38, 54, 98),
    "blue": (62, 116, 190),
    "sky blue": (142, 190, 226),
    "teal": (32, 128, 132),
    "green": (78, 146, 92),
    "olive": (124, 128, 70),
    "mustard": (216, 168, 52),
    "orange": (228, 126, 54),
    "coral": (236, 118, 102),
    "red": (190, 48, 52),
    "pink": (236, 166, 184),
    "purple": (124, 88, 160),
    "brown": (126, 86, 60),
}
PATTERNS = ("plain", "striped", "dotted", "checked", "floral", "zigzag", "ombre", "speckled")
_PLAIN_SHARE = 0.42


@dataclass(frozen=True, slots=True)
class Appearance:
    """One product's colours, named as in `PALETTE`, and its pattern."""

    colour: str
    second: str
    pattern: str

    @property
    def main(self) -> Colour:
        return PALETTE[self.colour]

    @property
    def accent(self) -> Colour:
        return PALETTE[self.second]


def draw_appearance(rng: np.random.Generator) -> Appearance:
    """Pick two different colours and a pattern, often none."""
    colour, second = rng.choice(list(PALETTE), size=2, replace=False)
    plain = rng.random() < _PLAIN_SHARE
    pattern = "plain" if plain else rng.choice(PATTERNS[1:])
    return Appearance(str(colour), str(second), str(pattern))


def cloth(rng: np.random.Generator, look: Appearance) -> Image.Image:
    """Fill a square of `SIDE` pixels with the look's pattern, in a scale and phase of its own."""
    image = Image.new("RGB", (SIDE, SIDE), look.main)
    draw = ImageDraw.Draw(image)
    step = int(rng.integers(40, 100))
    offset = int(rng.integers(step))
    match look.pattern:
        case "striped":
            _stripes(draw, look, step, offset, upright=rng.random() < 0.35)
        case "dotted":
            _dots(draw, look, step, offset)
        case "checked":
            _checks(image, look, step, offset)
        case "floral":
            _flowers(draw, look, step, rng)
        case "zigzag":
            _zigzags(draw, look, step, offset)
        case "ombre":
            ramp = Image.linear_gradient("L").resize(image.size)
            image.paste(Image.new("RGB", image.size, look.accent), mask=ramp)
        case "speckled":
            for x, y in rng.integers(SIDE, size=(900, 2)).tolist():
                radius = 1 + (x * y) % 5
                tint = (look.accent, darker(look.main), lighter(look.main))[(x + y) % 3]
                draw.ellipse((x, y, x + radius, y + radius), fill=tint)
    return image


def _stripes(
    draw: ImageDraw.ImageDraw, look: Appearance, step: int, offset: int, *, upright: bool
) -> None:
    for start in range(offset - step, SIDE, step):
        band = (start, 0, start + step * 2 // 5, SIDE)
        draw.rectangle(band if upright else (0, band[0], SIDE, band[2]), fill=look.accent)


def _dots(draw: ImageDraw.ImageDraw, look: Appearance, step: int, offset: int) -> None:
    for row, y in enumerate(range(offset - step, SIDE + step, step)):
        for x in range(-step + (row % 2) * step // 2, SIDE + step, step):
            draw.circle((x, y), step * 0.22, fill=look.accent)


def _checks(image: Image.Image, look: Appearance, step: int, offset: int) -> None:
    for upright in (False, True):
        bands = Image.new("L", image.size)
        draw = ImageDraw.Draw(bands)
        for start in range(offset - step, SIDE, step):
            band = (start, 0, start + step // 2, SIDE)
            draw.rectangle(band if upright else (0, band[0], SIDE, band[2]), fill=128)
        image.paste(Image.new("RGB", image.size, look.accent), mask=bands)


def _flowers(
    draw: ImageDraw.ImageDraw, look: Appearance, step: int, rng: np.random.Generator
) -> None:
    for row in range(-1, SIDE // step + 2):
        for column in range(-1, SIDE // step + 2):
            x, y = np.array([column + 0.5 * (row % 2), row]) * step + rng.normal(0, step / 9, 2)
            size = step * rng.uniform(0.14, 0.22)
            for angle in np.arange(5) * 2 * np.pi / 5 + rng.uniform(0, 6):
                petal = (x + size * np.cos(angle), y + size * np.sin(angle))
                draw.circle(petal, size * 0.72, fill=look.accent)
            draw.circle((x, y), size * 0.6, fill=mix(PALETTE["mustard"], look.main, 0.2))


def _zigzags(draw: ImageDraw.ImageDraw, look: Appearance, step: int, offset: int) -> None:
    half = step // 2
    for y in range(offset - step, SIDE + step, step):
        teeth = [(x, y + half * (i % 2)) for i, x in enumerate(range(-half, SIDE + step, half))]
        draw.line(teeth, fill=look.accent, width=max(3, step // 5), joint="curve")
