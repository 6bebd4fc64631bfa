"""Edited copies of a photo, as sellers make them: to learn from and to measure with.

Every edit draws its strength from a generator, so a catalogue gets mild and harsh ones, and the
same seed gives the same copies.
"""

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Edit: TypeAlias = Callable[[Image.Image, np.random.Generator], Image.Image]
_WORDS = ("SALE", "NEW", "-30%", "shop.example", "BEST PRICE", "4.99", "ORIGINAL")


def encode_jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """Write a photo as a JPEG file; quality from 1 to 95."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def recompress(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Save as JPEG of quality 15 to 45."""
    with Image.open(io.BytesIO(encode_jpeg(image, int(rng.integers(15, 46))))) as copy:
        return copy.convert("RGB")


def resize(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Shrink or enlarge to 0.35 to 1.4 of the size, never below 64 pixels."""
    factor = rng.uniform(0.35, 0.7) if rng.random() < 0.7 else rng.uniform(1.1, 1.4)
    width, height = (max(64, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def stretch(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change the aspect ratio by up to a quarter."""
    factor = rng.uniform(0.75, 0.92)
    size = (image.width, max(1, round(image.height * factor)))
    if rng.random() < 0.5:
        size = (max(1, round(image.width * factor)), image.height)
    return image.resize(size, Image.Resampling.BICUBIC)


def flip(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Mirror left to right."""
    return ImageOps.mirror(image)


def brightness(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brighten or darken, and change the contrast."""
    factor = rng.uniform(0.55, 0.85) if rng.random() < 0.5 else rng.uniform(1.15, 1.5)
    brighter = ImageEnhance.Brightness(image).enhance(factor)
    return ImageEnhance.Contrast(brighter).enhance(rng.uniform(0.65, 1.4))


def overlay(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put a sticker, a half-transparent watermark or a banner with text on the photo."""
    text, colour = str(rng.choice(_WORDS)), tuple(int(v) for v in rng.integers(0, 256, 3))
    width, height = image.size
    layer, mask = Image.new("RGB", image.size, colour), Image.new("L", image.size)
    draw = ImageDraw.Draw(mask)
    kind = rng.integers(3)
    if kind == 0:
        radius = min(width, height) * rng.uniform(0.12, 0.2)
        x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
        draw.circle((x, y), radius, fill=255)
        ImageDraw.Draw(layer).text(
            (x, y), text, "white", ImageFont.load_default(radius * 0.5), anchor="mm"
        )
    elif kind == 1:
        font = ImageFont.load_default(max(8.0, width * rng.uniform(0.08, 0.16)))
        for place in (0.25, 0.5, 0.75) if rng.random() < 0.5 else (rng.uniform(0.3, 0.8),):
            draw.text((width / 2, height * place), text, int(rng.integers(110, 220)), font, "mm")
    else:
        thick = height * rng.uniform(0.1, 0.22)
        top = 0.0 if rng.random() < 0.5 else height - thick
        draw.rectangle((0, top, width, top + thick), fill=255)
        font = ImageFont.load_default(max(8.0, thick * 0.6))
        ImageDraw.Draw(layer).text((width / 2, top + thick / 2), text, "white", font, anchor="mm")
    return Image.composite(layer, image, mask)


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Keep about 80 % of both sides, anywhere in the photo."""
    return _cropped(image, rng, rng.uniform(0.76, 0.88))


def tight_crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Keep 60 to 70 % of both sides, anywhere in the photo."""
    return _cropped(image, rng, rng.uniform(0.6, 0.7))


def rotate(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn by 2 to 9 degrees; the corners are filled, or cut off as a phone's editor does."""
    angle = rng.uniform(2, 9) * rng.choice([-1, 1])
    fill = (0, 0, 0) if rng.random() < 0.3 else (255, 255, 255)
    turned = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=fill)
    return _cropped(turned, rng, 0.85, centred=True) if rng.random() < 0.4 else turned


def border(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Add a frame, or bars on two sides, of one colour."""
    colour = tuple(
        int(v) for v in ((0, 0, 0), (255, 255, 255), rng.integers(0, 256, 3))[int(rng.integers(3))]
    )
    width = round(min(image.size) * rng.uniform(0.04, 0.15))
    sides = [(width, width), (width, 0), (0, width)][int(rng.integers(3))]
    return ImageOps.expand(image, sides, colour)


def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Blur, or add sensor noise."""
    if rng.random() < 0.5:
        return image.filter(ImageFilter.GaussianBlur(min(image.size) * rng.uniform(0.003, 0.009)))
    noise = rng.normal(0, rng.uniform(8, 25), (image.height, image.width, 3))
    noisy = np.asarray(image, dtype=np.float32) + noise
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def recolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Take the colour out, or give the whole photo a cast."""
    if rng.random() < 0.4:
        return ImageOps.grayscale(image).convert("RGB")
    cast = Image.new("RGB", image.size, tuple(int(v) for v in rng.integers(185, 256, 3)))
    return ImageChops.multiply(image, cast)


def other_colour(image: Image.Image, rng: np.random.Generator) -> Image.Image | None:
    """Show the product in another colour: no copy, but what a variant looks like.

    ``None`` if the photo has hardly any colour to change.
    """
    hue, saturation, value = image.convert("HSV").split()
    if (np.ptp(np.asarray(image), axis=2) > 60).mean() < 0.08:
        return None
    turn = int(rng.integers(45, 211))  # of 256
    turned = Image.fromarray(np.asarray(hue) + np.uint8(turn))  # wraps around, as hues do
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def combine(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Shrink, crop and recompress."""
    return recompress(crop(resize(image, rng), rng), rng)


EDITS: dict[str, Edit] = {
    "jpeg": recompress,
    "resize": resize,
    "flip": flip,
    "brightness": brightness,
    "overlay": overlay,
    "crop": crop,
    "combination": combine,
    "rotation": rotate,
    "border": border,
    "blur_noise": degrade,
    "colour": recolour,
    "tight_crop": tight_crop,
    "stretch": stretch,
}


def chain(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Apply two different edits after each other, to learn from more than the single ones."""
    first, second = rng.choice(list(EDITS), size=2, replace=False)
    return EDITS[str(second)](EDITS[str(first)](image, rng), rng)


def _cropped(
    image: Image.Image, rng: np.random.Generator, side: float, *, centred: bool = False
) -> Image.Image:
    width, height = max(1, round(image.width * side)), max(1, round(image.height * side))
    across, down = (0.5, 0.5) if centred else rng.random(2)
    left, top = round((image.width - width) * across), round((image.height - height) * down)
    return image.crop((left, top, left + width, top + height))
