import numpy as np
import pytest
from PIL import Image
from shelfsure.vision.load import decode_photo
from shelfsure.vision.preprocess import CropMode, Preprocessing, square
from shelfsure.vision.regions import WHOLE, Box, blurred, framing, region_numbers, with_regions


@pytest.mark.parametrize(
    ("mode", "size", "inside", "seen"),
    [
        ("border", (200, 100), (0, 0.25, 1, 0.75), (0, 0, 1, 1)),
        ("center", (100, 200), (0, 0, 1, 1), (0, 0.25, 1, 0.75)),
        ("squash", (300, 100), (0, 0, 1, 1), (0, 0, 1, 1)),
    ],
)
def test_framing_tells_padding_and_crop(
    mode: CropMode, size: tuple[int, int], inside: tuple[float, ...], seen: tuple[float, ...]
) -> None:
    preprocessing = Preprocessing(64, 1.0, mode, (0.5,) * 3, (0.5,) * 3)
    assert framing(preprocessing, size) == (pytest.approx(inside), pytest.approx(seen))


def test_framing_is_where_the_photo_really_is() -> None:
    import io

    file = io.BytesIO()
    Image.new("RGB", (90, 40), "black").save(file, "PNG")
    pixels = square(decode_photo(file.getvalue()), 60, 1.0, "border")
    inside, _ = framing(Preprocessing(60, 1.0, "border", (0.5,) * 3, (0.5,) * 3), (90, 40))
    rows, columns = np.nonzero(pixels[..., 0] < 128)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(np.array(inside) * 60, edges, atol=0.5)


def test_region_numbers_cover_all_and_are_of_one_size_in_the_box() -> None:
    numbers = region_numbers(32, Box(0, 0.25, 1, 0.75), (2, 4))
    np.testing.assert_array_equal(np.bincount(numbers[8:24].ravel()), np.full(8, 64))
    assert (numbers[:8] == numbers[8]).all(), "padding belongs to what is beside it"
    assert (numbers[24:] == numbers[23]).all()


def test_blurred_keeps_colours_in_their_place_and_loses_shapes(rng: np.random.Generator) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32] = 200
    pixels = np.clip(pixels + rng.integers(0, 50, pixels.shape), 0, 255).astype(np.uint8)
    found = blurred(pixels, WHOLE, (4, 4))
    assert found[:, 4].mean() > found[:, 60].mean() + 100
    assert found[:, :8].std() < pixels[:, :8].std() / 3


def test_blurred_leaves_padding_white() -> None:
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[16:48] = 0
    found = blurred(pixels, Box(0, 0.25, 1, 0.75))
    assert (found == pixels).all()


def test_with_regions_shows_what_is_kept() -> None:
    pixels, without = np.full((4, 4, 3), 9, np.uint8), np.zeros((4, 4, 3), np.uint8)
    kept = np.array([[True, False, False, True], [False] * 4, [True] * 4])
    shown = with_regions(pixels, without, region_numbers(4, grid=(2, 2)), kept)
    assert shown.shape == (3, 4, 4, 3)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[0, :, :, 0], np.kron([[9, 0], [0, 9]], np.ones((2, 2))))
    assert (shown[1] == 0).all()
    assert (shown[2] == 9).all()
