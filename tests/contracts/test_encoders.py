"""What every encoder promises, whatever is inside."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from sentence_transformers import SentenceTransformer
from shelfsure.embedding.embedder import Embedder
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.preprocess import Preprocessing
from timm.models import save_for_hf

BACKBONE = "test_efficientnet.r160_in1k"
PREPROCESSING = Preprocessing(64, 1.0, "squash", (0.5,) * 3, (0.5,) * 3)


def saved_backbone(folder: Path) -> str:
    """Save a small random timm model the way that `local-dir:` reads it."""
    save_for_hf(timm.create_model(BACKBONE, pretrained=False), folder, safe_serialization=True)
    return f"local-dir:{folder}"


@pytest.fixture(scope="module")
def saved_texts(starter_texts: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("texts")
    starter_texts.model.save(str(folder), create_model_card=False)
    return f"local-dir:{folder}"


@pytest.fixture(
    scope="module",
    params=["starter", "starter_bfloat16", "any_timm_model", "local_dir", "fake"],
)
def photos(
    request: pytest.FixtureRequest,
    starter_photos: PhotoEncoder,
    fake_embedder: Callable[..., Embedder],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    if request.param == "starter":
        return starter_photos
    if request.param == "starter_bfloat16":
        return PhotoEncoder(
            starter_photos.backbone, starter_photos.preprocessing, precision="bfloat16"
        )
    if request.param == "any_timm_model":
        return PhotoEncoder(timm.create_model(BACKBONE, pretrained=False), PREPROCESSING)
    if request.param == "local_dir":
        weights = saved_backbone(tmp_path_factory.mktemp("backbone"))
        return PhotoEncoder.load(weights, side_px=64, device="cpu")
    return fake_embedder().photos


@pytest.fixture(
    scope="module", params=["starter", "starter_bfloat16", "bfloat16_weights", "local_dir", "fake"]
)
def texts(
    request: pytest.FixtureRequest,
    starter_texts: SentenceEncoder,
    saved_texts: str,
    fake_embedder: Callable[..., Embedder],
) -> Any:
    if request.param == "starter":
        return starter_texts
    if request.param == "starter_bfloat16":
        return SentenceEncoder(starter_texts.model, "bfloat16")
    if request.param == "bfloat16_weights":
        folder = saved_texts.removeprefix("local-dir:")
        return SentenceEncoder(SentenceTransformer(folder, device="cpu").bfloat16())
    if request.param == "local_dir":
        return SentenceEncoder.load(saved_texts, device="cpu")
    return fake_embedder().texts


@pytest.fixture(scope="module")
def squares(photos: Any) -> list[np.ndarray]:
    """70 photos, more than two batches hold."""
    side = photos.preprocessing.side_px if isinstance(photos, PhotoEncoder) else 8
    drawn = np.random.default_rng(5).integers(0, 256, (70, side, side, 3), dtype=np.uint8)
    drawn[:20] //= np.arange(1, 21, dtype=np.uint8)[:, None, None, None]
    return list(drawn)


TITLES = [f"{'long ' * (i % 5)}title number {i} кружка 花瓶" for i in range(70)]  # over one batch


def tolerance(encoder: Any) -> float:
    """Cosine by which two runs may differ: rounding only."""
    model = getattr(encoder, "model", None)
    half = getattr(encoder, "precision", "") == "bfloat16" or (
        model is not None and "bfloat16" in str(next(model.parameters()).dtype)
    )
    return 5e-3 if half else 1e-5


def assert_contract(encoder: Any, items: list[Any], rng: np.random.Generator) -> None:
    vectors = encoder.encode(items)
    # shape, type, length
    assert vectors.shape == (len(items), encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    # deterministic
    again = encoder.encode(items[:9])
    np.testing.assert_array_equal(encoder.encode(items[:9]), again)
    # a row doesn't depend on its batch, nor on the order
    alone = np.concatenate([encoder.encode([item]) for item in items[:9]])
    assert 1 - (alone * vectors[:9]).sum(axis=1).min() < tolerance(encoder)
    order = rng.permutation(len(items))
    shuffled = encoder.encode([items[i] for i in order])
    assert 1 - (shuffled * vectors[order]).sum(axis=1).min() < tolerance(encoder)
    # different inputs are told apart
    assert (vectors[:9] @ vectors[:9].T)[~np.eye(9, dtype=bool)].max() < 1 - 1e-4
    # nothing in, nothing out
    nothing = encoder.encode([])
    assert nothing.shape == (0, encoder.dim)
    assert nothing.dtype == np.float32


def test_encode_of_photos_keeps_the_contract(
    photos: Any, squares: list[np.ndarray], rng: np.random.Generator
) -> None:
    assert_contract(photos, squares, rng)


def test_encode_of_texts_keeps_the_contract(texts: Any, rng: np.random.Generator) -> None:
    assert_contract(texts, TITLES, rng)


def test_fingerprint_of_photos_changes_with_all_that_matters() -> None:
    backbone = timm.create_model(BACKBONE, pretrained=False)
    first = PhotoEncoder(backbone, PREPROCESSING)
    assert PhotoEncoder(backbone, PREPROCESSING).fingerprint == first.fingerprint
    other_size = Preprocessing(96, 1.0, "squash", (0.5,) * 3, (0.5,) * 3)
    other_crop = Preprocessing(64, 1.0, "border", (0.5,) * 3, (0.5,) * 3)
    other_mean = Preprocessing(64, 1.0, "squash", (0.4,) * 3, (0.5,) * 3)
    fingerprints = {
        first.fingerprint,
        *(PhotoEncoder(backbone, p).fingerprint for p in (other_size, other_crop, other_mean)),
        PhotoEncoder(backbone, replace(PREPROCESSING, decode="fast")).fingerprint,
        PhotoEncoder(backbone, PREPROCESSING, precision="bfloat16").fingerprint,
        _nudged(PhotoEncoder, backbone, PREPROCESSING),
    }
    assert len(fingerprints) == 7


def test_fingerprint_of_texts_changes_with_all_that_matters(saved_texts: str) -> None:
    model = SentenceTransformer(saved_texts.removeprefix("local-dir:"), device="cpu")
    first = SentenceEncoder(model)
    half = SentenceEncoder(model, "bfloat16")
    model.max_seq_length = 32
    shorter = SentenceEncoder(model)
    model.max_seq_length = 256
    assert SentenceEncoder(model).fingerprint == first.fingerprint
    fingerprints = {e.fingerprint for e in (first, half, shorter)} | {
        _nudged(SentenceEncoder, model)
    }
    assert len(fingerprints) == 4


def _nudged(encoder: Any, model: Any, *arguments: Any) -> str:
    """Change one weight a little."""
    next(model.parameters()).data[0] += 1e-3
    return str(encoder(model, *arguments).fingerprint)


def test_local_dir_gives_the_fingerprint_that_was_saved(
    starter_texts: SentenceEncoder, saved_texts: str, tmp_path: Path
) -> None:
    """What is saved and loaded again is the same encoder."""
    assert SentenceEncoder.load(saved_texts, device="cpu").fingerprint == starter_texts.fingerprint
    weights = saved_backbone(tmp_path)
    one, other = (PhotoEncoder.load(weights, side_px=64, device="cpu") for _ in range(2))
    assert one.fingerprint == other.fingerprint
