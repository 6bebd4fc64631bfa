"""Families of photos: shapes, lengths, and what each must see or not see."""

import numpy as np
import pytest
from shelfsure.embedding.run_options import RunOptions
from shelfsure.exploration.features.colour import colour_histogram
from shelfsure.exploration.features.families import DESCRIBED
from shelfsure.exploration.features.gabor import N_DIRECTIONS, gabor_energies
from shelfsure.exploration.features.glcm import co_occurrence
from shelfsure.exploration.features.hog import oriented_gradients
from shelfsure.exploration.features.lbp import binary_patterns
from shelfsure.exploration.features.sift_words import SiftWords, sift_patches
from shelfsure.exploration.features.squares import SIDE_PX, decode_squares

DIMS = {"colour": 128, "lbp": 112, "glcm": 48, "gabor": 36, "hog": 1764, "sift": 16}
FAMILIES = (*DESCRIBED, SiftWords(n_words=16))


def stripes(width_px: int) -> np.ndarray:
    """Upright stripes, black and white."""
    bright = (np.arange(SIDE_PX) // width_px % 2 * 255).astype(np.uint8)
    return np.repeat(np.tile(bright, (SIDE_PX, 1))[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def squares() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8) for _ in range(4)]
    return [*noise, stripes(4), stripes(16), np.full((SIDE_PX, SIDE_PX, 3), 255, np.uint8)]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_gives_finite_rows_of_unit_length(family, squares) -> None:
    rows = family.encode(squares)
    assert rows.shape == (len(squares), DIMS[family.name])
    lengths = np.linalg.norm(rows, axis=1)
    assert lengths[:4] == pytest.approx(np.ones(4), abs=1e-5)
    assert np.minimum(lengths, abs(lengths - 1)).max() < 1e-5  # nothing, or of unit length
    assert np.isfinite(rows).all()
    assert rows[0] @ rows[1] > rows[0] @ rows[5]  # noise is more like noise than like stripes


def test_colour_histogram_counts_every_pixel_by_its_colour() -> None:
    red = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    red[..., 0] = 255
    counts = colour_histogram(red)
    assert counts[15] == counts.sum() == SIDE_PX**2  # hue 0, saturation and brightness the highest


def test_binary_patterns_do_not_change_with_the_light(rng) -> None:
    dim = np.repeat(rng.integers(0, 128, (SIDE_PX, SIDE_PX, 1), dtype=np.uint8), 3, axis=2)
    counts = binary_patterns(dim)
    assert binary_patterns(dim * 2) == pytest.approx(counts, abs=5)  # rounding between pixels
    assert counts.sum() == 2 * SIDE_PX**2


def test_co_occurrence_of_a_plain_photo_has_no_contrast(squares) -> None:
    found = co_occurrence(squares[-1]).reshape(6, 2, 4)
    assert found[0] == pytest.approx(np.zeros((2, 4)))  # contrast
    assert found[2] == pytest.approx(np.ones((2, 4)))  # homogeneity


def test_gabor_answers_most_to_stripes_of_its_own_width_and_direction() -> None:
    means = gabor_energies(stripes(4))[::2].reshape(3, N_DIRECTIONS)  # a period of 8 px
    assert np.unravel_index(means.argmax(), means.shape) == (1, 0)


def test_oriented_gradients_tell_upright_from_lying_stripes() -> None:
    upright = oriented_gradients(stripes(8))
    lying = oriented_gradients(stripes(8).transpose(1, 0, 2))
    assert upright @ lying < 0.05 * (upright @ upright)


def test_a_plain_photo_has_no_patch_and_no_words(squares) -> None:
    assert sift_patches(squares[-1]).shape == (0, 128)
    assert not SiftWords(n_words=16).encode(squares)[-1].any()
    assert not SiftWords(n_words=16).encode(squares[-1:]).any()


def test_one_bad_photo_is_left_out_and_ends_nothing(tiny_folder, tmp_path) -> None:
    photos = tiny_folder / "photos"
    sources = [photos / "0.png", photos / "bad.png", None, photos / "gone.png"]
    found = decode_squares(sources, tmp_path, RunOptions())
    assert found.present.tolist() == [True, False, False, False]
    assert found.sizes_px.tolist() == [[48, 48], [0, 0], [0, 0], [0, 0]]
    assert found.pixels[0].any()
