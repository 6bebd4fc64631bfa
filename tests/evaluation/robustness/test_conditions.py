"""What is done to photos and titles, held against what each condition says of itself."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError
from shelfsure.evaluation.robustness import light, scene, transfer, wording
from shelfsure.evaluation.robustness.conditions import (
    CONDITIONS,
    SIDE_PX,
    chosen,
    disturbed,
    pixels_of,
)
from shelfsure.vision.load import PhotoLimits
from shelfsure.vision.photo_measures import sharpness

TITLE = "Elegance Polyester Door Curtain Multicolor Abstract Eyelet Set"
PHOTOS = [each for each in CONDITIONS if each.part == "photo"]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A product on white: a square of fine grain, 240 of 400 pixels wide."""
    pixels = np.full((300, 400, 3), 255, np.uint8)
    grain = np.random.default_rng(1).integers(40, 210, (50, 60, 3), dtype=np.uint8)
    pixels[50:250, 80:320] = cv2.resize(grain, (240, 200), interpolation=cv2.INTER_NEAREST)
    return pixels


def listing_of(photo: np.ndarray, name: str = "a") -> Listing:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    return Listing(name, TITLE, buffer.getvalue(), brand="Elegance", category="Home")


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda each: each.name)
def test_a_listing_is_disturbed_the_same_each_time_and_another_otherwise(
    condition, photo: np.ndarray
) -> None:
    own, other = listing_of(photo), listing_of(photo, "b")
    for severity in range(1, 1 + len(condition.severities)):
        first, again = (disturbed(own, photo, condition, severity) for _ in range(2))
        assert first == again
        assert first is not None
        assert (first.title != TITLE) == (condition.part == "title")
        assert (first.image != own.image) == (condition.part == "photo")
        assert replace(first, title=TITLE, image=own.image) == own
    if condition.name in {"rotation", "motion", "noise", "occlusion", "typos", "word_order"}:
        least = disturbed(other, photo, condition, 1)
        assert least is not None
        mine = disturbed(own, photo, condition, 1)
        assert (least.image, least.title) != (mine.image, mine.title)


@pytest.mark.parametrize(
    "condition",
    # which wall a background is has little to do with how unquiet it is
    [each for each in PHOTOS if len(each.severities) > 1 and each.name != "background"],
    ids=lambda each: each.name,
)
def test_a_higher_severity_changes_a_photo_more(condition, photo: np.ndarray) -> None:
    """By what is lost of the photo at the size that encoders see, over several listings."""

    def loss(severity: int) -> float:
        losses = []
        for name in "abcdefgh":
            changed = disturbed(listing_of(photo, name), photo, condition, severity)
            seen = cv2.resize(pixels_of(changed, PhotoLimits()), (224, 224)).astype(float)
            kept = cv2.resize(photo, (224, 224)).astype(float)
            losses.append(np.abs(seen - kept).mean())
        return float(np.mean(losses))

    assert loss(1) < loss(2) < loss(3)


def test_what_a_condition_lacks_is_left_out(photo: np.ndarray) -> None:
    [background, typos] = chosen("background, typos")
    busy = np.random.default_rng(0).integers(0, 200, photo.shape, dtype=np.uint8)
    assert disturbed(listing_of(busy), busy, background, 3) is None
    assert disturbed(Listing("a", TITLE), None, background, 3) is None
    assert disturbed(Listing("a", "  ", b"x"), None, typos, 3) is None
    with pytest.raises(ConfigError, match=r"got 'fog'\. There are: dark, bright"):
        chosen("dark,fog")


def test_light_has_the_strength_it_says(photo: np.ndarray, rng: np.random.Generator) -> None:
    grey = np.full((40, 40, 3), 100, np.uint8)
    assert light.dark(grey, 0.6, rng).mean() == pytest.approx(40, abs=0.2)
    assert (light.bright(grey, 0.5, rng) == 150).all()
    assert (light.bright(grey, 2.0, rng) == 255).all()
    assert light.noise(grey, 0.1, rng).std() == pytest.approx(25.5, rel=0.05)
    tinted = light.colour_cast(grey, 1.0, rng)[0, 0] / 100
    assert any(np.allclose(tinted, cast) for cast in light.CAST)


def test_blurs_spread_a_point_as_far_as_they_say(rng: np.random.Generator) -> None:
    point = np.zeros((201, 201, 3), np.uint8)
    point[100, 100] = 255
    disc = light.defocus(np.where(point, 255, 0).astype(np.uint8), 0.05, rng)[..., 0] > 0
    assert disc.any(axis=0).sum() == pytest.approx(0.05 * 201, abs=2)
    assert disc.sum() == pytest.approx(np.pi * (0.05 * 201 / 2) ** 2, rel=0.3)
    line = light.motion(point, 0.1, rng)[..., 0] > 3
    reach = np.argwhere(line)
    assert np.hypot(*np.ptp(reach, axis=0)) == pytest.approx(0.1 * 201, abs=3)
    assert line.sum() < 3 * 0.1 * 201  # a line, no disc


def test_blur_is_what_the_quality_flag_calls_blurred(
    photo: np.ndarray, rng: np.random.Generator
) -> None:
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    blurred = cv2.cvtColor(light.defocus(photo, 0.04, rng), cv2.COLOR_RGB2GRAY)
    assert sharpness(blurred) < 0.5 * sharpness(grey)


def test_scenes_keep_what_they_should(photo: np.ndarray, rng: np.random.Generator) -> None:
    assert scene.crop(photo, 0.3, rng).shape == (210, 280, 3)
    assert (scene.mirror(photo, 1, rng)[:, 0] == photo[:, -1]).all()
    before = photo.copy()
    hidden = scene.occlusion(photo, 0.2, rng)
    assert (photo == before).all()
    changed = (hidden != photo).any(axis=2).mean()
    assert changed == pytest.approx(0.2, abs=0.07)
    moved = scene.background(photo, 1.0, rng)
    assert (moved[60:240, 90:310] == photo[60:240, 90:310]).all()
    assert not (moved[:40] == 255).all(axis=2).any()
    turned = scene.rotation(photo, 180.0, rng)
    assert np.abs(turned[::-1, ::-1].astype(int) - photo).mean() < 3
    written = scene.text_overlay(photo, 0.2, rng)
    assert 0.02 < (written != photo).any(axis=2).mean() < 0.4


def test_perspective_keeps_the_near_side_and_shrinks_the_far_one(rng: np.random.Generator) -> None:
    """Colours that say where a pixel was, 0 to 200 across and down."""
    ramp = np.arange(201, dtype=np.uint8)
    places = np.stack([*np.meshgrid(ramp, ramp), np.zeros((201, 201), np.uint8)], axis=2)
    seen = scene.perspective(places, 0.2, rng).astype(int)
    edges = {"top": seen[0], "bottom": seen[-1], "left": seen[:, 0], "right": seen[:, -1]}
    before = {"top": places[0], "bottom": places[-1], "left": places[:, 0], "right": places[:, -1]}
    kept = [name for name in edges if np.abs(edges[name] - before[name]).max() <= 2]
    assert len(kept) == 1
    far = {"top": 40, "bottom": -41, "left": 40, "right": -41}
    opposite = dict(zip(far, ("bottom", "top", "right", "left"), strict=True))[kept[0]]
    line = seen[far[opposite]] if opposite in {"top", "bottom"} else seen[:, far[opposite]]
    along = line[:, 0 if opposite in {"top", "bottom"} else 1]
    assert along[40] <= 3  # where the far corner is now: a fifth in from either end
    assert along[160] >= 197


def test_transfer_has_the_size_and_the_quality_it_says(
    photo: np.ndarray, rng: np.random.Generator
) -> None:
    assert transfer.low_resolution(photo, 100, rng).shape == (75, 100, 3)
    assert transfer.low_resolution(photo, 900, rng) is photo
    with io.BytesIO() as file:
        Image.fromarray(photo).save(file, "JPEG", quality=30)
        theirs = np.asarray(Image.open(file))
    ours = transfer.jpeg(photo, 30, rng)
    assert np.abs(ours.astype(int) - theirs).mean() < 2
    assert np.abs(ours.astype(int) - photo).mean() > 2


def test_large_photos_are_shrunk_and_keep_their_shape() -> None:
    large = listing_of(np.zeros((900, 1800, 3), np.uint8))
    assert pixels_of(large, PhotoLimits()).shape == (SIDE_PX // 2, SIDE_PX, 3)


def test_typos_change_one_letter_a_word(rng: np.random.Generator) -> None:
    for share, n in ((0.15, 1), (0.5, 4), (1.0, 8)):
        words = wording.typos(TITLE, share, None, rng).split()
        assert len(words) == 8
        pairs = list(zip(words, TITLE.split(), strict=True))
        wrong = [(own, true) for own, true in pairs if own != true]
        assert n - 2 <= len(wrong) <= n  # a swap of equal letters changes nothing
        assert all(abs(len(own) - len(true)) <= 1 for own, true in wrong)


def test_titles_lose_their_brand_and_keep_their_words(rng: np.random.Generator) -> None:
    rest = TITLE.removeprefix("Elegance ")
    assert wording.missing_brand(TITLE, 0.0, "ELEGANCE", rng) == rest
    assert wording.missing_brand(TITLE, 0.0, None, rng) == rest
    assert wording.missing_brand(TITLE, 0.0, "Other (R)", rng) == rest
    assert len(wording.missing_brand(TITLE, 0.5, None, rng).split()) == 7 - 4
    assert wording.missing_brand("Elegance", 0.5, "Elegance", rng) == "Elegance"
    assert wording.missing_brand("Smart lamp by Art", 0.0, "art", rng) == "Smart lamp by"
    moved = wording.word_order(TITLE, 1.0, None, rng)
    assert moved != TITLE
    assert sorted(moved.split()) == sorted(TITLE.split())
    assert all(a != b for a, b in zip(moved.split(), TITLE.split(), strict=True))
    mixed = wording.other_language(TITLE, 0.5, None, rng).split()
    assert len(mixed) == 12
    assert [word for word in mixed if word in TITLE.split()] == TITLE.split()
    assert wording.capitals(TITLE, 0.0, None, rng) == TITLE.lower()
    assert wording.capitals(TITLE, 1.0, None, rng) == TITLE.upper()
    assert sum(w.isupper() for w in wording.capitals(TITLE, 0.5, None, rng).split()) == 4
