"""Quality of drawn photos that are good but for one thing, and of real ones."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont
from shelfsure.vision.load import decode_photo
from shelfsure.vision.photo_measures import clipped_fraction, frame_fraction, levels, sharpness
from shelfsure.vision.quality import (
    LIMITS,
    SIDE_PX,
    PhotoFlag,
    PhotoQuality,
    assess_photo,
    is_measurable,
)
from shelfsure.vision.text_overlay import text_fraction

Edit = Callable[[Image.Image], Image.Image]


def product() -> Image.Image:
    """A vase on white, sharp and well lit."""
    photo = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(photo)
    draw.ellipse((200, 120, 440, 440), fill=(180, 60, 40), outline=(90, 20, 10), width=5)
    draw.rectangle((285, 40, 355, 150), fill=(60, 110, 60))
    draw.line((230, 250, 410, 330), fill=(240, 210, 90), width=4)
    return photo


def framed(photo: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(photo)
    draw.rectangle((0, 0, photo.width - 1, photo.height - 1), outline="black", width=18)
    return photo


def barred(photo: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (photo.width, photo.height + 120))
    canvas.paste(photo, (0, 60))
    return canvas


def written_on(photo: Image.Image) -> Image.Image:
    font = ImageFont.load_default(photo.width * 0.09)
    ImageDraw.Draw(photo).text((photo.width / 2, 440), "www.shop.example", "red", font, anchor="mm")
    return photo


EDITS: dict[str, Edit] = {
    "low_resolution": lambda photo: photo.resize((200, 150)),
    "blurry": lambda photo: photo.filter(ImageFilter.GaussianBlur(4)),
    "dark": lambda photo: ImageEnhance.Brightness(photo).enhance(0.3),
    "overexposed": lambda photo: ImageEnhance.Brightness(photo).enhance(2.5),
    "low_contrast": lambda photo: ImageEnhance.Contrast(photo).enhance(0.2),
    "border": framed,
    "text_overlay": written_on,
}


def encoded(photo: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def found_in(photo: Image.Image) -> dict[str, PhotoFlag]:
    decoded = decode_photo(encoded(photo), min_side_px=SIDE_PX, longer_side=True)
    return {flag.flag: flag for flag in assess_photo(decoded).flags}


def flags(photo: Image.Image) -> set[str]:
    return set(found_in(photo))


def grey(photo: Image.Image) -> np.ndarray:
    return np.array(photo.convert("L"))


def test_flags_of_a_good_photo_are_none() -> None:
    assert flags(product()) == set()


def test_limits_name_each_flag_once_and_all_are_tested() -> None:
    assert [limit.flag for limit in LIMITS] == list(EDITS)


@pytest.mark.parametrize("flag", EDITS)
def test_flags_name_what_was_done_to_a_photo(flag: str) -> None:
    found = found_in(EDITS[flag](product()))
    assert flag in found
    assert set(found) <= {flag, "low_contrast"}  # a dark photo has little contrast too
    limit = next(limit for limit in LIMITS if limit.flag == flag)
    assert limit.broken_by(found[flag].value)
    assert (found[flag].threshold, found[flag].message) == (limit.threshold, limit.message)


def test_flags_know_bars_and_leave_white_and_full_backgrounds_alone() -> None:
    assert "border" in flags(barred(product()))
    pixels = np.array(product())
    pixels[pixels.min(axis=2) > 250] = (10, 10, 10)
    assert "border" not in flags(Image.fromarray(pixels))


def test_flags_take_the_resolution_from_the_header() -> None:
    photo = decode_photo(encoded(product().resize((1600, 1200))), min_side_px=SIDE_PX)
    assert max(photo.image.size) < 1600
    assert assess_photo(photo).longer_side_px == 1600


@pytest.mark.parametrize("flag", [None, *(flag for flag in EDITS if flag != "low_resolution")])
def test_assess_photo_hardly_depends_on_how_finely_a_photo_was_decoded(flag: str | None) -> None:
    photo = EDITS[flag](product()) if flag else product()
    data = encoded(photo.resize((1900, 1425)))
    whole = decode_photo(data)
    reduced = decode_photo(data, min_side_px=SIDE_PX, longer_side=True)
    assert whole.image.width > reduced.image.width
    one, other = assess_photo(whole), assess_photo(reduced)
    assert flag is None or flag in {found.flag for found in one.flags}
    assert [found.flag for found in one.flags] == [found.flag for found in other.flags]
    assert one.sharpness == pytest.approx(other.sharpness, rel=0.15)


def test_is_measurable_asks_for_enough_of_the_files_pixels() -> None:
    large = encoded(product().resize((1600, 1200)))
    assert is_measurable(decode_photo(large, min_side_px=SIDE_PX, longer_side=True))
    assert not is_measurable(decode_photo(large, min_side_px=100))
    assert is_measurable(decode_photo(encoded(product().resize((90, 50)))))


def test_quality_comes_back_from_its_row() -> None:
    quality = assess_photo(decode_photo(encoded(written_on(product()))))
    row = quality.row
    assert (row.dtype, row.shape) == (np.float32, (len(LIMITS),))
    again = PhotoQuality.from_row(row)
    assert again.row.tolist() == row.tolist()
    assert again.longer_side_px == 640
    assert [flag.flag for flag in again.flags] == [flag.flag for flag in quality.flags]


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (2, 3), (9, 7)])
def test_assess_photo_measures_photos_of_any_shape(size: tuple[int, int]) -> None:
    photo = decode_photo(encoded(Image.new("RGB", size, (120, 130, 140))))
    quality = assess_photo(photo)
    assert quality.longer_side_px == max(size)
    assert np.isfinite([getattr(quality, limit.measure) for limit in LIMITS]).all()


def test_sharpness_falls_with_blur_and_not_with_contrast_or_background() -> None:
    photo = product()
    blurred = [grey(photo.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4)]
    values = [sharpness(each) for each in blurred]
    assert values == sorted(values, reverse=True)
    assert values[0] > 3 * values[3]
    pale = 255 - (255 - grey(photo)) // 3
    assert sharpness(pale) == pytest.approx(values[0], rel=0.2)
    wide = cv2.copyMakeBorder(grey(photo), 200, 200, 200, 200, cv2.BORDER_CONSTANT, value=255)
    assert sharpness(wide) == pytest.approx(values[0], rel=0.3)


def test_clipped_fraction_leaves_out_the_white_background() -> None:
    pixels = np.full((10, 10, 3), 255, np.uint8)
    assert clipped_fraction(*cv2.split(pixels)) == 0
    pixels[:4] = (100, 50, 20)
    assert clipped_fraction(*cv2.split(pixels)) == 0
    pixels[:1] = (255, 220, 20)
    assert clipped_fraction(*cv2.split(pixels)) == 0.25


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_frame_fraction_is_the_share_that_was_framed(
    top: int, bottom: int, left: int, right: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 120, 3)).astype(np.uint8)
    inner = (100 - top - bottom) * (120 - left - right)
    frame = np.zeros_like(pixels)
    frame[:] = (20, 60, 90)
    rows, columns = slice(top, 100 - bottom), slice(left, 120 - right)
    frame[rows, columns] = pixels[rows, columns]
    assert frame_fraction(frame) == pytest.approx(1 - inner / 12_000)


def test_level_is_the_brightness_that_a_share_stays_below() -> None:
    values = np.arange(100, dtype=np.uint8)[None]
    assert levels(values, 0.95, 1.0) == [94, 99]


def test_text_fraction_sees_lines_of_letters_only() -> None:
    plain, written = product(), written_on(product())
    assert text_fraction(grey(plain.resize((384, 288)))) == 0
    assert text_fraction(grey(written.resize((384, 288)))) > 0.3
    assert text_fraction(np.zeros((1, 1), np.uint8)) == 0


@pytest.mark.realdata
def test_flags_are_rare_on_real_photos_and_common_on_degraded_copies(
    real_data: Path,
) -> None:
    paths = sorted((real_data / "flipkart/images").iterdir())[::16]
    assert len(paths) > 40
    photos = [Image.open(path).convert("RGB") for path in paths]
    assert np.mean([bool(flags(photo)) for photo in photos]) < 0.12
    for flag in ("low_resolution", "blurry", "dark", "low_contrast", "border"):
        shown = [flag in flags(EDITS[flag](photo.copy())) for photo in photos[::4]]
        assert np.mean(shown) > 0.85, flag
