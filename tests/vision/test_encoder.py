import csv
import io
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from shelfsure.core.device import Precision
from shelfsure.core.errors import ConfigError, PhotoError, WeightsError
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.load import PhotoLimits
from shelfsure.vision.preprocess import Decode, decode_for_square
from timm.data import ImageNetInfo
from timm.models import save_for_hf


def test_load_reads_timms_own_settings() -> None:
    settings = PhotoEncoder.load(device="cpu").preprocessing
    assert (settings.side_px, settings.crop_fraction, settings.crop_mode) == (224, 0.875, "center")
    assert settings.mean == settings.std == (0.5, 0.5, 0.5)


def test_load_shows_the_whole_photo_where_asked() -> None:
    settings = PhotoEncoder.load(side_px=96, crop_mode="border", device="cpu").preprocessing
    assert (settings.side_px, settings.crop_fraction, settings.crop_mode) == (96, 1.0, "border")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("tf_efficientnetv2_xx.in21k", r"not 'tf_efficientnetv2_xx\.in21k'.*tf_efficientnet"),
        ("tf_efficientnetv2_s.no_such_tag", "no_such_tag"),
        ("", "not ''"),
        ("local-dir:/no/such/folder", "local-dir:/no/such/folder can't be loaded"),
    ],
)
def test_load_refuses_unknown_weights(weights: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        PhotoEncoder.load(weights, device="cpu")


def test_load_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=str(tmp_path)):
        PhotoEncoder.load(f"local-dir:{tmp_path}", device="cpu")


def test_load_refuses_an_unknown_device() -> None:
    with pytest.raises(ConfigError, match="'toaster'"):
        PhotoEncoder.load(device="toaster")


def test_decode_heeds_the_limits(starter_photos: PhotoEncoder, photos: dict[str, bytes]) -> None:
    square = starter_photos.prepare(starter_photos.decode(photos["jpeg"], PhotoLimits()))
    assert square.shape == (64, 64, 3)
    with pytest.raises(PhotoError, match="48 x 32"):
        starter_photos.decode(photos["jpeg"], PhotoLimits(max_pixels=1_000))
    cut = photos["jpeg"][:-20]
    with pytest.raises(PhotoError, match="ends early"):
        starter_photos.decode(cut, PhotoLimits())
    lenient = starter_photos.decode(cut, PhotoLimits(allow_truncated=True))
    assert starter_photos.prepare(lenient).shape == (64, 64, 3)


def test_encode_equals_the_plain_way_through_the_model(
    starter_photos: PhotoEncoder, rng: np.random.Generator
) -> None:
    """Normalisation, layout and pooling against a few lines of plain torch."""
    square = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels = torch.from_numpy((square / 255.0 - 0.5) / 0.5).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        features = starter_photos.backbone.forward_features(pixels).mean(dim=(2, 3))[0].numpy()
    expected = features / np.linalg.norm(features)
    np.testing.assert_allclose(starter_photos.encode([square])[0], expected, atol=1e-5)


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.9999), ("bfloat16", 0.99)])
def test_encode_gives_much_the_same_on_every_device_and_in_both_formats(
    starter_photos: PhotoEncoder, device: str, precision: Precision, least: float
) -> None:
    other = PhotoEncoder.load(
        side_px=64, crop_mode="border", device=device, precision=precision, runtime="torch"
    )
    squares = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    photos = list(squares.repeat(8, axis=1).repeat(8, axis=2))
    cosines = (other.encode(photos) * starter_photos.encode(photos)).sum(axis=1)
    assert cosines.min() >= least


def test_encode_leaves_the_model_in_evaluation_mode(starter_photos: PhotoEncoder) -> None:
    assert not starter_photos.backbone.training


@pytest.fixture(scope="module")
def real_encoder() -> PhotoEncoder:
    return PhotoEncoder.load(device="cpu")


@pytest.mark.realdata
def test_starter_names_what_outside_photos_show(
    real_encoder: PhotoEncoder, real_data: Path
) -> None:
    """The weights went to the right layers: ImageNet photos get their ImageNet names."""
    paths = sorted((real_data / "outside").glob("*.jpg"))[::3]
    assert len(paths) > 80
    names = ImageNetInfo()
    squares = [real_encoder.prepare(real_encoder.decode(path, PhotoLimits())) for path in paths]
    embeddings = torch.from_numpy(real_encoder.encode(squares))
    classifier = real_encoder.backbone.classifier
    with torch.inference_mode():
        # unit length scales the logits but for the bias, so ask for many times that length
        best = (30 * embeddings @ classifier.weight.T + classifier.bias).argmax(dim=1).tolist()
    right = [
        path.stem.replace("_", " ").lower()
        in [name.strip().lower() for name in names.index_to_description(index).split(",")]
        for path, index in zip(paths, best, strict=True)
    ]
    assert np.mean(right) > 0.8


@pytest.mark.realdata
@pytest.mark.parametrize(("decode", "mean"), [("normal", 0.999), ("fast", 0.99)])
def test_prepare_keeps_the_embedding_of_a_full_decode(
    decode: Decode, mean: float, real_encoder: PhotoEncoder, real_data: Path
) -> None:
    """Decoding JPEGs at a fraction of their size must not move the answer."""
    with (real_data / "flipkart/listings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [real_data / "flipkart" / row["image"] for row in rows[::79]]
    assert len(paths) == 10
    settings = real_encoder.preprocessing
    photos = [_enlarged(path.read_bytes()) for path in paths]
    plain, quick = (
        real_encoder.encode(
            [
                real_encoder.prepare(
                    decode_for_square(
                        photo,
                        settings.side_px,
                        settings.crop_fraction,
                        settings.crop_mode,
                        decode=finely,
                    )
                )
                for photo in photos
            ]
        )
        for finely in ("full", decode)
    )
    assert (quick * plain).sum(axis=1).mean() >= mean


def _enlarged(photo: bytes) -> bytes:
    """As large as phones take them, so that there is something to leave out."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize((2400, 1800)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_load_takes_a_fine_tuned_folders_own_input(tmp_path: Path) -> None:
    model = timm.create_model("test_efficientnet.r160_in1k", pretrained=False)
    save_for_hf(model, tmp_path, safe_serialization=True)
    weights = f"local-dir:{tmp_path}"
    assert PhotoEncoder.load(weights, device="cpu").preprocessing.crop_mode == "center"
    (tmp_path / "finetuned.json").write_text('{"side_px": 96, "crop_mode": "border"}')
    tuned = PhotoEncoder.load(weights, device="cpu").preprocessing
    assert (tuned.side_px, tuned.crop_mode) == (96, "border")
    asked = PhotoEncoder.load(weights, side_px=64, crop_mode="squash", device="cpu").preprocessing
    assert (asked.side_px, asked.crop_mode) == (64, "squash")


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"side_px": "96"}', '{"side_px": 8}', '{"crop_mode": "middle"}']
)
def test_load_refuses_a_damaged_fine_tuned_folder(text: str, tmp_path: Path) -> None:
    model = timm.create_model("test_efficientnet.r160_in1k", pretrained=False)
    save_for_hf(model, tmp_path, safe_serialization=True)
    (tmp_path / "finetuned.json").write_text(text)
    with pytest.raises(WeightsError, match=r"finetuned\.json"):
        PhotoEncoder.load(f"local-dir:{tmp_path}", device="cpu")
