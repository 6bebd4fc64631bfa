"""What a product stands before or lies on: studio, table, boards, tiles, cloth, a blurred room."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .appearance import PALETTE
from .canvas import Colour, darker, lighter, mix, shine

Size = tuple[int, int]
_WOODS: tuple[Colour, ...] = ((176, 132, 92), (206, 172, 132), (120, 84, 60), (222, 206, 182))


def _soft_colour(rng: np.random.Generator) -> Colour:
    tint = PALETTE[str(rng.choice(list(PALETTE)))]
    return lighter(tint, rng.uniform(0.35, 0.8))


def studio(rng: np.random.Generator, size: Size) -> Image.Image:
    """Fill with near-white, brighter in the middle."""
    level = int(rng.integers(232, 256))
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return shine(Image.new("RGB", size, (level, level, level)), 1.0 - 0.09 * np.hypot(x, y))


def paper(rng: np.random.Generator, size: Size) -> Image.Image:
    """Fill with one soft colour that darkens towards one side."""
    dark = rng.uniform(0.7, 0.95)
    ramp = np.linspace(1.04, dark, 16)
    image = Image.new("RGB", size, _soft_colour(rng))
    return shine(image, ramp[:, None] if rng.random() < 0.6 else ramp[None, ::-1])


def boards(rng: np.random.Generator, size: Size) -> Image.Image:
    """Lay wooden boards with grain."""
    width, height = size
    wood = _WOODS[rng.integers(len(_WOODS))]
    n_boards = int(rng.integers(3, 7))
    grain = rng.normal(0, 0.05, (height // 3, 6)) + rng.normal(0, 0.045, (height // 3, 1))
    tones = np.repeat(rng.uniform(0.84, 1.04, n_boards), -(-len(grain) // n_boards))[: len(grain)]
    image = shine(Image.new("RGB", size, wood), grain + tones[:, None])
    draw = ImageDraw.Draw(image)
    for y in np.linspace(0, height, n_boards + 1)[1:-1]:
        draw.line((0, y, width, y), fill=darker(wood, 0.5), width=2)
    return image


def tiles(rng: np.random.Generator, size: Size) -> Image.Image:
    """Lay square tiles with joints, each of a slightly different tone."""
    step = int(rng.integers(70, 140))
    tile = _soft_colour(rng)
    image = Image.new("RGB", size, darker(tile, 0.22))
    draw = ImageDraw.Draw(image)
    for x in range(0, size[0], step):
        for y in range(0, size[1], step):
            tone = mix(tile, (255, 255, 255), rng.uniform(0, 0.22))
            draw.rectangle((x, y, x + step - 4, y + step - 4), fill=tone)
    return image


def linen(rng: np.random.Generator, size: Size) -> Image.Image:
    """Spread a woven cloth with soft wrinkles."""
    weave = rng.normal(0.96, 0.04, (size[1] // 2, 1)) * rng.normal(1, 0.04, (1, size[0] // 2))
    wrinkles = Image.fromarray(rng.normal(128, 34, (6, 5)).clip(0, 255).astype(np.uint8))
    soft = np.asarray(wrinkles.resize((weave.shape[1], weave.shape[0]), Image.Resampling.BICUBIC))
    return shine(Image.new("RGB", size, _soft_colour(rng)), weave + (soft / 255 - 0.5) * 0.3)


def room(rng: np.random.Generator, size: Size) -> Image.Image:
    """Blur a cluttered room: shelves, books, boxes and lights out of focus."""
    width, height = size[0] // 4, size[1] // 4
    wall = mix(_soft_colour(rng), (90, 84, 80), rng.uniform(0.1, 0.6))
    image = Image.new("RGB", (width, height), wall)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(8, 20))):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.75)
        w, h = rng.uniform(6, width / 4), rng.uniform(8, height / 3)
        tint = mix(PALETTE[str(rng.choice(list(PALETTE)))], wall, rng.uniform(0.2, 0.7))
        if rng.random() < 0.7:
            draw.rectangle((x, y, x + w, y + h), fill=tint)
        else:
            draw.circle((x, y), w / 2, fill=lighter(tint, 0.4))
    blurred = image.filter(ImageFilter.GaussianBlur(rng.uniform(1.2, 4.5)))
    return blurred.resize(size, Image.Resampling.BICUBIC)


SURFACES: tuple[Callable[[np.random.Generator, Size], Image.Image], ...] = (
    studio, paper, boards, tiles, linen,
)  # fmt: skip
WALLS: tuple[Callable[[np.random.Generator, Size], Image.Image], ...] = (studio, paper, room, tiles)


def before_a_wall(rng: np.random.Generator, size: Size, horizon: int) -> Image.Image:
    """Set a table before a wall; its edge runs at `horizon` pixels from the top."""
    image = WALLS[rng.integers(len(WALLS))](rng, size)
    table = (boards, boards, paper, linen)[rng.integers(4)]
    top = table(rng, (size[0], size[1] - horizon))
    depth = np.linspace(0.8, 1.02, 12)[:, None]
    image.paste(shine(top, depth), (0, horizon))
    return image
