import io
from pathlib import Path

import numpy as np
import pytest
import timm.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shelfsure.core.errors import OversizedPhotoError, UnreadablePhotoError
from shelfsure.vision.load import DecodedPhoto, PhotoLimits, decode_photo
from shelfsure.vision.preprocess import (
    OVERSAMPLING,
    CropMode,
    Decode,
    load_square,
    resize_side_px,
    square,
)


def plain(image: Image.Image) -> DecodedPhoto:
    return DecodedPhoto(image, *image.size, (0, 0, *image.size))


def noise(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    blocks = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)[:height, :width].copy())


def timm_square(image: Image.Image, side: int, crop_fraction: float, mode: str) -> np.ndarray:
    """timm's own evaluation transform, without the normalisation."""
    transform = timm.data.create_transform(
        (3, side, side),
        interpolation="bicubic",
        crop_pct=crop_fraction,
        crop_mode=mode,
        mean=(1.0, 1.0, 1.0),  # also the padding's colour
        std=(1.0, 1.0, 1.0),
        normalize=False,
    )
    tensor: torch.Tensor = transform(image)
    tensor = tensor if tensor.dtype == torch.uint8 else (tensor * 255).round()
    return tensor.permute(1, 2, 0).numpy().astype(int)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("crop_fraction", [0.875, 0.9, 1.0])
@pytest.mark.parametrize(
    "size", [(300, 200), (200, 301), (97, 131), (640, 480), (224, 224), (40, 33)]
)
def test_square_equals_timms_transform(
    size: tuple[int, int], crop_fraction: float, mode: CropMode, rng: np.random.Generator
) -> None:
    image = noise(rng, *size)
    ours = square(plain(image), 64, crop_fraction, mode).astype(int)
    reference = timm_square(image, 64, crop_fraction, mode)
    assert ours.shape == reference.shape == (64, 64, 3)
    assert np.abs(ours - reference).max() <= 2
    assert np.abs(ours - reference).mean() < 0.05


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.floats(0.2, 1.0),
    st.sampled_from(["center", "squash", "border"]),
)
def test_square_keeps_a_flat_colour_and_its_shape(
    width: int, height: int, side: int, crop_fraction: float, mode: CropMode
) -> None:
    image = Image.new("RGB", (width, height), (9, 99, 199))
    result = square(plain(image), side, crop_fraction, mode)
    assert result.shape == (side, side, 3)
    assert result.dtype == np.uint8
    assert result.flags.writeable
    colours = {tuple(colour) for colour in result.reshape(-1, 3).tolist()}
    assert (9, 99, 199) in colours
    assert colours <= {(9, 99, 199), (255, 255, 255)}
    assert mode == "border" or len(colours) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.sampled_from(["center", "squash", "border"]))
def test_square_turns_with_the_photo(width: int, height: int, mode: CropMode) -> None:
    # Soft contrast: at overshoots beyond 0 to 255 the order of rows and columns does matter.
    image = noise(np.random.default_rng(width * height), width, height).point(lambda v: v // 4 + 96)
    upright = square(plain(image), 24, 1.0, mode).astype(int)
    turned = square(plain(image.transpose(Image.Transpose.TRANSPOSE)), 24, 1.0, mode).astype(int)
    assert np.abs(upright.swapaxes(0, 1) - turned).max() <= 2


def test_square_center_takes_the_middle() -> None:
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, 15:25] = 200
    assert (square(plain(Image.fromarray(pixels)), 8, 0.8) == 200).all()


def test_square_border_pads_with_white_on_both_sides() -> None:
    result = square(plain(Image.new("RGB", (40, 20))), 16, 1.0, "border")[:, :, 0]
    assert result[:, 0].tolist() == [255] * 4 + [0] * 8 + [255] * 4


def test_square_leaves_out_what_lies_outside_the_box() -> None:
    pixels = np.full((13, 13, 3), 255, np.uint8)
    pixels[1:, :-1] = 50
    photo = DecodedPhoto(Image.fromarray(pixels), 96, 96, (0, 1, 12, 13))
    assert (square(photo, 12, 1.0, "squash") == 50).all()


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1)])
def test_load_square_takes_thin_photos(size: tuple[int, int], mode: CropMode) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size, (0, 0, 200)).save(buffer, "JPEG")
    result = load_square(buffer.getvalue(), 32, 0.875, mode)
    middle = result[15:17, 15:17].astype(int)
    assert np.abs(middle - (0, 0, 200)).max(axis=2).min() <= 3


@pytest.mark.parametrize(
    ("side", "crop_fraction", "mode", "received"),
    [
        (0, 1.0, "center", "got 0"),
        (8, 0.0, "center", "got 0.0"),
        (8, 1.1, "center", "got 1.1"),
        (8, float("nan"), "center", "got nan"),
        (8, 1.0, "middle", "got 'middle'"),
    ],
)
def test_square_refuses_wrong_parameters(
    side: int, crop_fraction: float, mode: CropMode, received: str
) -> None:
    with pytest.raises(ValueError, match=received):
        square(plain(Image.new("RGB", (4, 4))), side, crop_fraction, mode)


def test_resize_side_px_rounds_down_as_timm() -> None:
    assert resize_side_px(224, 0.875) == 256
    assert resize_side_px(224, 0.9) == 248


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("size", [(1001, 667), (601, 903)])
@pytest.mark.parametrize(("decode", "most"), [("normal", 0.6), ("fast", 4.5)])
def test_load_square_draws_almost_the_same_from_a_reduced_jpeg(
    decode: Decode, most: float, size: tuple[int, int], turn: int, rng: np.random.Generator
) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    smooth = noise(rng, size[0] // 4, size[1] // 4).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    smooth.save(buffer, "JPEG", quality=92, exif=exif)
    data = buffer.getvalue()
    least = (OVERSAMPLING[decode] or 0) * resize_side_px(64, 0.875)
    assert least <= decode_photo(data, min_side_px=least).image.width < 600
    reduced = load_square(data, 64, 0.875, decode=decode).astype(int)
    whole = load_square(data, 64, 0.875, decode="full").astype(int)
    assert 0 < np.abs(reduced - whole).mean() < most


@pytest.mark.parametrize("left", [0.0, 0.75])
@pytest.mark.parametrize("top", [0.0, 0.25])
def test_square_draws_from_a_fractional_box_what_pillow_draws(
    left: float, top: float, rng: np.random.Generator
) -> None:
    """A reduced JPEG's photo may end within a pixel, at any side once it is turned upright."""
    image = noise(rng, 101, 91)
    box = (left, top, left + 100.25, top + 90.75)
    ours = square(DecodedPhoto(image, 802, 726, box), 48, 1.0, "squash").astype(int)
    drawn = np.asarray(image.resize((48, 48), Image.Resampling.BICUBIC, box=box)).astype(int)
    assert np.abs(ours - drawn)[1:-1, 1:-1].max() <= 2
    assert np.abs(ours - drawn).mean() < 1.0


def test_square_draws_a_crop_alone_as_it_does_from_the_whole(rng: np.random.Generator) -> None:
    """The two ways of drawing meet at a photo's shape; the pixels must not jump there."""
    image = noise(rng, 400, 100)
    ours = square(plain(image), 32, 0.9, "center").astype(int)
    assert 4 * 32 * 32 < 35 * 140
    reference = timm_square(image, 32, 0.9, "center")
    assert np.abs(ours - reference).max() <= 2


def test_load_square_passes_its_options_on(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "shoe.jpg"
    noise(rng, 400, 300).save(path)
    with pytest.raises(OversizedPhotoError, match=r"shoe\.jpg.*400 x 300"):
        load_square(path, 32, 1.0, limits=PhotoLimits(max_pixels=119_999))
    path.write_bytes(path.read_bytes()[:-3000])
    limits = PhotoLimits(allow_truncated=True)
    assert load_square(path, 32, 1.0, limits=limits).shape == (32, 32, 3)
    with pytest.raises(UnreadablePhotoError, match=r"gone\.jpg"):
        load_square(tmp_path / "gone.jpg", 32, 1.0)


@pytest.mark.realdata
def test_load_square_draws_almost_the_same_from_real_photos(real_data: Path) -> None:
    paths = sorted((real_data / "flipkart" / "images").glob("*.jpg"))[:40]
    assert len(paths) == 40
    side = 48  # the photos are small; at this side they are reduced as large ones are at 288
    errors = []
    for path in paths:
        reduced = load_square(path, side, 0.875).astype(int)
        errors.append(np.abs(reduced - load_square(path, side, 0.875, decode="full")).mean())
    assert 0 < np.mean(errors) < 1.0
    assert max(errors) < 3.0
