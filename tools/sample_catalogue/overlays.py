"""What sellers put on top of a photo: price tags, watermarks, frames."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .appearance import PALETTE

_STAMPS = ("SALE", "NEW", "-30%", "HOT", "2 FOR 1", "4.99", "19.90")


def overlaid(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Let some sellers add a price tag, a watermark or a frame."""
    chance = rng.random()
    if chance < 0.05:
        return stamped(image, str(rng.choice(_STAMPS)), PALETTE["red"])
    if chance < 0.10:
        return watermarked(image, "shop.example")
    if chance < 0.13:
        return framed(image, tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


def stamped(image: Image.Image, text: str, colour: tuple[int, ...]) -> Image.Image:
    """Stick a round price tag on the upper right corner."""
    image = image.copy()
    radius = min(image.size) * 0.13
    x, y = image.width - radius * 1.2, radius * 1.2
    draw = ImageDraw.Draw(image)
    draw.circle((x, y), radius, fill=colour)
    font = ImageFont.load_default(radius * 0.62)
    draw.text((x, y), text, "white", font, anchor="mm")
    return image


def watermarked(image: Image.Image, text: str) -> Image.Image:
    """Write across the photo's lower half, half transparent."""
    layer = Image.new("L", image.size)
    font = ImageFont.load_default(image.width * 0.1)
    ImageDraw.Draw(layer).text((image.width / 2, image.height * 0.72), text, 115, font, anchor="mm")
    marked = image.copy()
    marked.paste((255, 255, 255), mask=layer)
    return marked


def framed(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """Put a border of 3 % of the width inside the photo's edge."""
    image = image.copy()
    width = round(image.width * 0.03)
    box = (0, 0, image.width - 1, image.height - 1)
    ImageDraw.Draw(image).rectangle(box, outline=colour, width=width)
    return image
