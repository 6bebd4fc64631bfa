from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tools.sample_catalogue.appearance import PATTERNS, Appearance, cloth, draw_appearance
from tools.sample_catalogue.categories import CATEGORIES
from tools.sample_catalogue.outsiders import OUTSIDERS
from tools.sample_catalogue.photos import EDITS, Photo, develop, picture

LOOK = Appearance("blue", "ivory", "striped")


def small(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB").resize((32, 32)), dtype=float)


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.path)
def test_draw_fills_a_good_part_of_its_square_and_varies(category) -> None:
    drawings = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        drawing = category.draw(rng, draw_appearance(rng))
        alpha = np.asarray(drawing)[..., 3]
        assert drawing.mode == "RGBA"
        assert 0.04 < (alpha > 0).mean() < 0.95
        drawings.append(drawing.tobytes())
    assert len(set(drawings)) == 3


@pytest.mark.parametrize("name", OUTSIDERS)
def test_outsiders_are_drawn(name: str, rng: np.random.Generator) -> None:
    assert (np.asarray(OUTSIDERS[name](rng, LOOK))[..., 3] > 0).mean() > 0.1


@pytest.mark.parametrize("pattern", PATTERNS)
def test_cloth_shows_both_colours_unless_plain(pattern: str, rng: np.random.Generator) -> None:
    look = Appearance("navy", "ivory", pattern)
    colours = np.asarray(cloth(rng, look), dtype=int).reshape(-1, 3)
    assert (np.abs(colours - np.array(look.main)).max(axis=1) < 8).any()
    assert (colours == colours[0]).all() == (pattern == "plain")


def test_develop_repeats_itself_and_follows_its_seed() -> None:
    photo = Photo("Kitchen > Mugs", (1, 2), LOOK, 88)
    assert develop(photo) == develop(photo)
    assert develop(photo) != develop(replace(photo, seed=(1, 3)))


def test_develop_recolours_the_product_and_leaves_the_scene() -> None:
    subject = "Clothing > Dresses"
    one, other = (
        np.asarray(
            picture(Photo(subject, (4, 2), Appearance(colour, "ivory", "plain"), 90)), dtype=int
        )
        for colour in ("navy", "mustard")
    )
    changed = np.abs(one - other).max(axis=2) > 12
    assert 0.02 < changed.mean() < 0.7
    corners = changed[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.sum() <= 1


@pytest.fixture(scope="module")
def clocks() -> list[bytes]:
    """A clock to copy, and three others."""
    photo = Photo("Home > Clocks", (9, 9), LOOK, 88)
    return [develop(replace(photo, seed=(9, n))) for n in (9, 3, 4, 5)]


@pytest.mark.parametrize("edit", EDITS)
def test_develop_edits_stay_close_to_their_source(edit: str, clocks: list[bytes]) -> None:
    source, *others = clocks
    copy = develop(Photo("Home > Clocks", (9, 9), LOOK, 88, edit=edit))
    assert copy != source

    def distance(data: bytes) -> float:
        view = small(data)
        return min(float(np.abs(small(source) - v).mean()) for v in (view, view[:, ::-1]))

    assert distance(copy) < 45
    if edit not in ("brightened", "darkened"):
        assert distance(copy) < min(distance(other) for other in others)
