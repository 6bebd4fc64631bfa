"""A photo as a recipe: the same recipe always gives the same picture."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from .appearance import PALETTE, Appearance, draw_appearance
from .categories import CATEGORIES
from .outsiders import FULL_BLEED, OUTSIDERS
from .overlays import framed, stamped, watermarked
from .packaging import draw_box
from .scenes import fill_frame, photograph

QUALITIES = (57, 65)
"""JPEG qualities, the last one excluded. With `_SCALE`, all photos fit into 4.5 MB."""
_SCALE = 0.67  # 640 drawn pixels become 429; a copy shrunk from 560 still has 300
_PROP_SHARE = 0.2
_BY_PATH = {category.path: category for category in CATEGORIES}


@dataclass(frozen=True, slots=True)
class Photo:
    """Everything a picture depends on.

    Parameters
    ----------
    subject
        A category's path or an outsider's name: what is drawn.
    seed
        Decides shape, scene and camera. Another `look` with the same seed recolours the product
        and leaves the rest as it is.
    look
        Colours and pattern.
    quality
        JPEG quality, 1 to 95.
    boxed
        Only the closed package is to be seen.
    edit
        A key of `EDITS` for a near-duplicate, empty otherwise.
    """

    subject: str
    seed: tuple[int, int]
    look: Appearance
    quality: int
    boxed: bool = False
    edit: str = ""


def picture(photo: Photo) -> Image.Image:
    """Draw and photograph what the recipe says, before any edit."""
    rng = np.random.default_rng(photo.seed)
    if photo.subject in OUTSIDERS:
        drawing = OUTSIDERS[photo.subject](rng, photo.look)
        if photo.subject in FULL_BLEED:
            return fill_frame(rng, drawing)
        return photograph(rng, drawing, standing=True)
    category = _BY_PATH[photo.subject]
    drawing = (draw_box if photo.boxed else category.draw)(rng, photo.look)
    prop = None
    if rng.random() < _PROP_SHARE:
        other = CATEGORIES[rng.integers(len(CATEGORIES))]
        prop = other.draw(rng, draw_appearance(rng))
    standing = category.standing or photo.boxed
    return photograph(rng, drawing, standing=standing, prop=prop)


def develop(photo: Photo) -> bytes:
    """Turn a recipe into a JPEG file; an edit starts from the finished file, as copies do."""
    image = picture(photo)
    size = (round(image.width * _SCALE), round(image.height * _SCALE))
    data = _jpeg(image.resize(size, Image.Resampling.LANCZOS), photo.quality)
    if not photo.edit:
        return data
    with Image.open(io.BytesIO(data)) as original:
        return _jpeg(EDITS[photo.edit](original.convert("RGB")), photo.quality - 6)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    return buffer.getvalue()


def _shrunk(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)


def _cropped(image: Image.Image) -> Image.Image:
    left, top = image.width * 8 // 100, image.height * 6 // 100
    return image.crop((left, top, image.width - left, image.height - top * 2))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": lambda image: image,
    "shrunk": _shrunk,
    "cropped": _cropped,
    "flipped": ImageOps.mirror,
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darkened": lambda image: ImageEnhance.Brightness(image).enhance(0.78),
    "stamped": lambda image: stamped(image, "-20%", PALETTE["red"]),
    "watermarked": lambda image: watermarked(image, "resale.example"),
    "framed": lambda image: framed(image, PALETTE["navy"]),
}
