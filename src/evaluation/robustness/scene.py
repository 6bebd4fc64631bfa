"""What is in a photo, and where: turned, aslant, cut off, half hidden, elsewhere, written over."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...finetuning.augment import SOFTEN_PX, white_background
from ...vision.photo_measures import Pixels

WORDS = ("SALE", "NEW", "-30%", "shop.example", "BEST PRICE", "4.99", "ORIGINAL")
HANDS = ((224, 172, 140), (141, 85, 54), (70, 70, 74), (235, 235, 230))
"""What gets in front of products: skins, a dark cloth, a label."""


def rotation(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Turn by `strength` degrees, either way; corners repeat the edge."""
    height, width = photo.shape[:2]
    angle = strength * rng.choice([-1.0, 1.0])
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def perspective(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Look from the side or from above: one side shrinks by `strength` at both of its ends."""
    height, width = photo.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved, side = corners.copy(), int(rng.integers(4))
    ends = [side, (side + 1) % 4]
    moved[ends] += strength * (corners[ends[::-1]] - corners[ends])
    # what is farther away is also nearer to the middle
    moved[ends] += strength * (corners[[(side + 3) % 4, (side + 2) % 4]] - corners[ends])
    view = cv2.getPerspectiveTransform(corners, moved)
    seen = cv2.warpPerspective(photo, view, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def background(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Put a product that stands on white before a wall: the stronger, the more unquiet.

    A photo that doesn't stand on white stays as it is.
    """
    white = white_background(photo)
    if not 0.1 < white.mean() < 0.95:
        return photo
    height, width = photo.shape[:2]
    patches = rng.uniform(60, 200, 3) + rng.uniform(-1, 1, (8, 8, 3)) * 127 * strength
    wall = cv2.resize(patches.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    share = cv2.blur(white.astype(np.float32), (SOFTEN_PX, SOFTEN_PX))[..., None]
    mixed = (1 - share) * photo + share * wall.clip(0, 255)
    return np.asarray(mixed.round(), np.uint8)


def crop(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Cut `strength` of both sides off, more or less of it on either end."""
    height, width = photo.shape[:2]
    kept_height, kept_width = (max(1, round(side * (1 - strength))) for side in (height, width))
    top = round((height - kept_height) * rng.random())
    left = round((width - kept_width) * rng.random())
    return photo[top : top + kept_height, left : left + kept_width]


def occlusion(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Hide `strength` of the photo's area behind something of one colour, somewhere in its middle.

    A hand comes in from a side; a label lies anywhere.
    """
    height, width = photo.shape[:2]
    colour = HANDS[rng.integers(len(HANDS))]
    shape = np.exp(rng.uniform(-0.4, 0.4))
    half_width, half_height = (
        round(np.sqrt(strength) * side * stretch / 2)
        for side, stretch in ((width, shape), (height, 1 / shape))
    )
    x, y = (rng.uniform(0.3, 0.7, 2) * (width, height)).round().astype(int).tolist()
    hidden = photo.copy()
    cv2.rectangle(
        hidden, (x - half_width, y - half_height), (x + half_width, y + half_height), colour, -1
    )
    return hidden


def text_overlay(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Write words across the photo, one of them for each tenth of `strength`, half transparent."""
    image = Image.fromarray(photo)
    mask = Image.new("L", image.size)
    draw, font = ImageDraw.Draw(mask), ImageFont.load_default(max(8.0, image.width * 0.13))
    n_lines = round(strength * 10)
    for line in range(n_lines):
        place = (image.width / 2, image.height * (line + 1) / (n_lines + 1))
        draw.text(place, str(rng.choice(WORDS)), 210, font, "mm")
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    return np.asarray(Image.composite(Image.new("RGB", image.size, colour), image, mask))


def mirror(photo: Pixels, _: float, __: np.random.Generator) -> Pixels:
    """Swap left and right, as front cameras do."""
    return np.ascontiguousarray(photo[:, ::-1])
