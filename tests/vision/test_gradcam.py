"""Heatmaps of a backbone whose features are known, and of the starter on real photos."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.gradcam import category_heatmap, over_photo
from shelfsure.vision.load import PhotoLimits
from shelfsure.vision.preprocess import CropMode, Preprocessing

CELL = 8


class Colours(torch.nn.Module):
    """Three features: the mean red, green and blue of each cell."""

    num_features = 3

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(pixels, CELL)

    def forward_head(self, features: torch.Tensor, pre_logits: bool) -> torch.Tensor:
        assert pre_logits
        return features.mean(dim=(2, 3))


class ColoursLast(Colours):
    """The same with channels last, as timm's Swin."""

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward_features(pixels).permute(0, 2, 3, 1)

    def forward_head(self, features: torch.Tensor, pre_logits: bool) -> torch.Tensor:
        assert pre_logits
        return features.mean(dim=(1, 2))


class Tokens(Colours):
    """A vision transformer's shape: tokens without places."""

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward_features(pixels).flatten(2).transpose(1, 2)


def preprocessing(side_px: int = 32, mode: CropMode = "squash", crop: float = 1.0) -> Preprocessing:
    return Preprocessing(side_px, crop, mode, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def encoder(backbone: torch.nn.Module) -> Any:
    return SimpleNamespace(backbone=backbone, preprocessing=preprocessing(), device="cpu")


def quarters() -> np.ndarray:
    """Red upper left, green upper right, blue lower left, black lower right."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16, :16, 0] = pixels[:16, 16:, 1] = pixels[16:, :16, 2] = 255
    return pixels


@pytest.mark.parametrize("backbone", [Colours(), ColoursLast()])
@pytest.mark.parametrize(("column", "rows", "columns"), [(0, 0, 0), (1, 0, 2), (2, 2, 0)])
def test_category_heatmap_lights_the_decisive_quarter(
    backbone: torch.nn.Module, column: int, rows: int, columns: int
) -> None:
    heat = category_heatmap(encoder(backbone), quarters(), 5 * np.eye(3), column)
    assert heat is not None
    assert heat.shape == (4, 4)
    inside = heat[rows : rows + 2, columns : columns + 2]
    assert inside.min() > 0
    assert heat.sum() == pytest.approx(inside.sum())


def test_category_heatmap_ignores_what_all_categories_share(rng: np.random.Generator) -> None:
    """Of two categories scikit-learn keeps one row; the other's is zero, its heatmap isn't."""
    common = rng.standard_normal(3)
    plain, shifted = (
        category_heatmap(encoder(Colours()), quarters(), np.array([[0, 0, 0], [3, 0, 0]]) + add, 0)
        for add in (0, common)
    )
    assert plain is not None
    assert plain.max() > 0
    np.testing.assert_allclose(plain, shifted, atol=1e-5)


def test_category_heatmap_is_none_without_a_map() -> None:
    assert category_heatmap(encoder(Tokens()), quarters(), np.eye(3), 0) is None
    fake: Any = SimpleNamespace(encode=None)
    assert category_heatmap(fake, quarters(), np.eye(3), 0) is None


def test_category_heatmap_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        heat = category_heatmap(encoder(Colours()), quarters(), np.eye(3), 0)
    assert heat is not None
    assert heat.max() > 0


def test_over_photo_leaves_out_the_padding() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[0, :] = 9.0  # all of it over the white above a wide photo
    heat[4, 6] = 0.5
    drawn = over_photo(heat, preprocessing(64, "border"), (400, 200), (80, 40))
    assert drawn.shape == (40, 80)
    assert drawn.max() == pytest.approx(1)
    row, column = np.unravel_index(drawn.argmax(), drawn.shape)
    # the photo fills the input's rows 16 to 48; cell (4, 6) is centred at (36, 52)
    assert (row, column) == (pytest.approx(25, abs=1), pytest.approx(65, abs=1))


def test_over_photo_is_cold_where_the_crop_doesnt_look() -> None:
    drawn = over_photo(np.ones((4, 4)), preprocessing(32, "center"), (200, 100), (100, 50))
    assert (drawn[:, :24] == 0).all()
    assert (drawn[:, 76:] == 0).all()
    np.testing.assert_allclose(drawn[:, 26:74], 1)
    inner = over_photo(np.ones((4, 4)), preprocessing(32, "center", 0.5), (100, 100), (100, 100))
    assert inner.sum() == pytest.approx(2500, rel=0.05)


def test_over_photo_stretches_with_a_squashed_photo() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[1, 3] = 2.0
    drawn = over_photo(heat, preprocessing(32, "squash"), (300, 60), (60, 12))
    row, column = np.unravel_index(drawn.argmax(), drawn.shape)
    assert 3 <= row <= 5
    assert column >= 50


def test_over_photo_of_nothing_is_nothing() -> None:
    drawn = over_photo(np.zeros((3, 3)), preprocessing(), (30, 20), (30, 20))
    assert drawn.shape == (20, 30)
    assert not drawn.any()


@pytest.mark.realdata
def test_category_heatmap_finds_what_the_answer_rests_on(real_data: Path) -> None:
    """Deletion: without the hottest fifth a category's odds fall more than without the coldest."""
    photos = PhotoEncoder.load(side_px=224, crop_mode="border", device="cpu")
    paths = sorted((real_data / "flipkart/images").iterdir())[::60]
    assert len(paths) > 10
    layer: Any = photos.backbone.get_classifier()
    coefficients = layer.weight.detach().numpy() * 20
    squares = [photos.prepare(photos.decode(path, PhotoLimits())) for path in paths]
    columns = (photos.encode(squares) @ coefficients.T).argmax(axis=1)
    falls = []
    for square, column in zip(squares, columns, strict=True):
        heat = category_heatmap(photos, square, coefficients, int(column))
        assert heat is not None
        order = np.argsort(-cv2.resize(heat, square.shape[:2]).ravel(), kind="stable")
        masked = [square.copy() for _ in range(2)]
        fifth = len(order) // 5
        for copy, places in zip(masked, (order[:fifth], order[-fifth:]), strict=True):
            copy.reshape(-1, 3)[places] = square.reshape(-1, 3).mean(axis=0)
        logits = photos.encode([square, *masked]) @ coefficients.T
        logits = logits[:, column] - np.delete(logits, column, axis=1).max(axis=1)
        falls.append(logits[0] - logits[1:])
    hottest, coldest = np.mean(falls, axis=0)
    assert hottest > coldest + 0.5


@pytest.mark.parametrize(
    ("architecture", "options", "shape"),
    [
        ("resnet10t", {}, (2, 2)),
        ("convnext_atto", {}, (2, 2)),  # a norm between pooling and embedding
        ("mobilenetv3_small_050", {}, (2, 2)),  # a layer between pooling and embedding
        ("swin_tiny_patch4_window7_224", {"img_size": 64}, (2, 2)),  # channels last
        ("vit_tiny_patch16_224", {"img_size": 64}, None),  # tokens
    ],
)
def test_category_heatmap_works_for_timm_backbones_that_keep_a_map(
    architecture: str, options: dict[str, int], shape: tuple[int, int] | None
) -> None:
    import timm

    torch.manual_seed(0)
    photos = PhotoEncoder(timm.create_model(architecture, **options), preprocessing(64))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    coefficients = np.random.default_rng(1).standard_normal((3, photos.dim))
    heat = category_heatmap(photos, pixels, coefficients, 1)
    if shape is None:
        assert heat is None
    else:
        assert heat is not None
        assert heat.shape == shape
        assert np.isfinite(heat).all()
        assert heat.max() > 0
