"""Drawn products: one template with a print inside, as mugs and laptop skins are photographed."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw
from shelfsure.retrieval.duplicates.photo_detail import PhotoDetail, load_detail
from shelfsure.vision.load import PhotoLimits

Product = Callable[..., Image.Image]


def draw_product(seed: int, tint: tuple[int, int, int] = (40, 90, 200)) -> Image.Image:
    """Draw a mug with a print that depends on the seed; the mug's own shape doesn't."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (480, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((340, 120, 450, 290), outline=(90, 90, 90), width=22)
    draw.rounded_rectangle((60, 50, 380, 360), 30, fill=(235, 232, 225), outline=(120, 120, 120))
    for _ in range(45):
        x, y = rng.uniform(80, 330), rng.uniform(70, 310)
        width, height = rng.uniform(12, 60, 2)
        shade = rng.uniform(0.2, 1.4)
        fill = tuple(int(min(255, channel * shade)) for channel in tint)
        if rng.random() < 0.5:
            draw.rectangle((x, y, min(365, x + width), min(345, y + height)), fill=fill)
        else:
            draw.ellipse((x, y, min(365, x + width), min(345, y + height)), fill=fill)
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def product() -> Product:
    return draw_product


@pytest.fixture(scope="session")
def as_png() -> Callable[[Image.Image], bytes]:
    return png


@pytest.fixture(scope="session")
def detail() -> Callable[[Image.Image], PhotoDetail]:
    return lambda image: load_detail(png(image), PhotoLimits())
