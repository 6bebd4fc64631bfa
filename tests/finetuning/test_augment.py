import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.finetuning.augment import augment, compressed, mix, on_backdrop, white_background
from shelfsure.finetuning.config import Augmentation
from shelfsure.finetuning.data import Photos, TrainingPhotos, collate
from shelfsure.finetuning.schedule import Draw


def product_on_white(side: int = 48) -> np.ndarray:
    """A ring: white around it, and white inside that belongs to it."""
    photo = np.full((side, side, 3), 255, dtype=np.uint8)
    photo[12:36, 12:36] = (200, 30, 30)
    photo[20:28, 20:28] = 255
    return photo


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 200, (48, 48, 3), dtype=np.uint8)


def test_white_background_leaves_white_inside_of_the_product() -> None:
    background = white_background(product_on_white())
    assert background[[0, 11], [0, 30]].all()
    assert not background[[24, 15], [24, 15]].any()
    assert background.sum() == 48 * 48 - 24 * 24


def test_on_backdrop_keeps_the_product(noise: np.ndarray) -> None:
    photo = product_on_white()
    moved = on_backdrop(photo, noise)
    np.testing.assert_array_equal(moved[14:34, 14:34], photo[14:34, 14:34])
    assert (moved[:10] < 200).all()


def test_on_backdrop_leaves_photos_that_fill_the_frame(noise: np.ndarray) -> None:
    assert on_backdrop(noise, noise[::-1]) is noise


@given(st.floats(0, 1), st.sampled_from([32, 48, 64]))
def test_augment_gives_the_side_asked_for(strength: float, side: int) -> None:
    photo = augment(product_on_white(), None, Augmentation(jpeg=1, blur=1), side, strength)
    assert (photo.shape, photo.dtype) == ((3, side, side), torch.uint8)


def test_augment_without_strength_or_flip_only_resizes() -> None:
    photo = augment(product_on_white(), None, Augmentation(flip=0), 48, 0.0)
    np.testing.assert_array_equal(photo.permute(1, 2, 0).numpy(), product_on_white())


def test_augment_uncovers_the_white_that_a_border_square_has() -> None:
    white = np.full((192, 192, 3), 255, dtype=np.uint8)
    nothing_else = dict.fromkeys(("colour", "rand_augment", "jpeg", "blur", "erasing"), 0)
    settings = Augmentation(rotation_degrees=40, zoom_out=0.5, **nothing_else)
    for seed in range(5):
        torch.manual_seed(seed)
        changed = augment(white, None, settings, 192, 1.0)
        assert (changed < 253).float().mean() < 0.05  # but for torchvision's dark seam


def test_compressed_changes_little_and_not_always_alike(noise: np.ndarray) -> None:
    smooth = torch.from_numpy(np.sort(noise.ravel()).reshape(48, 48, 3)).permute(2, 0, 1)
    torch.manual_seed(0)
    first, second = compressed(smooth), compressed(smooth)
    assert not torch.equal(first, second)
    assert (first.float() - smooth.float()).abs().mean() < 8


def test_mix_says_how_much_of_the_photo_is_the_first() -> None:
    first, second = (
        torch.full((3, 32, 32), 200, dtype=torch.uint8),
        torch.zeros((3, 32, 32), dtype=torch.uint8),
    )
    shares = []
    for seed in range(20):
        torch.manual_seed(seed)
        mixed, share = mix(first, second)
        assert mixed.float().mean().item() / 200 == pytest.approx(share, abs=0.01)
        shares.append(share)
    assert len(set(shares)) > 10


def test_draws_look_the_same_whoever_draws_them_and_differ_by_number(
    rng: np.random.Generator, quick: object
) -> None:
    photos = Photos(rng.integers(0, 256, (6, 48, 48, 3), dtype=np.uint8), np.arange(6))  # type: ignore[arg-type]
    data = TrainingPhotos(photos, quick)  # type: ignore[arg-type]
    draw = Draw(2, 11, 32, 1.0)
    torch.manual_seed(1)
    first = data[draw]
    state = torch.random.get_rng_state()
    again = data[draw]
    assert torch.equal(first[0], again[0])
    assert first[1:4] == again[1:4]
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(first[0], data[draw._replace(number=12)][0])
    pixels, labels, titles = collate([first, again])
    assert pixels.shape == (2, 3, 32, 32)
    assert labels.first.tolist() == [2, 2]
    assert titles.shape == (2, 0)
