"""What every image-text space must do, whatever is inside; all weights are random."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from shelfsure.core.errors import PhotoError
from shelfsure.retrieval.zero_shot.conse import ConSE
from shelfsure.retrieval.zero_shot.image_text_space import ImageTextSpace
from shelfsure.retrieval.zero_shot.open_clip import OpenClip
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.load import PhotoLimits
from shelfsure.vision.preprocess import Preprocessing

TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
PIXELS = {"size": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "resize_mode": "longest"}
TEXTS = ["tent", "a photo of a camp stove", "Sleeping bag, 2 kg, -5 °C", "ü", "mug " * 40]


class HashedWords:
    """A text encoder without weights: the mean of its words' seeded vectors."""

    dim = 24
    fingerprint = "hashed-words"

    def encode(self, items: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(items), self.dim), np.float32)
        for row, item in enumerate(items):
            for word in item.split():
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
                rows[row] += np.random.default_rng(seed).standard_normal(self.dim)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def tiny_conse(folder: Path) -> ConSE:
    torch.manual_seed(0)
    backbone = timm.create_model("test_efficientnet", pretrained=False, num_classes=1000)
    preprocessing = Preprocessing(32, 1.0, "squash", (0.5,) * 3, (0.5,) * 3)
    return ConSE.from_encoders(PhotoEncoder(backbone, preprocessing), HashedWords())


def random_clip() -> torch.nn.Module:
    torch.manual_seed(0)
    model = open_clip.CLIP(**TINY_CLIP)
    open_clip.model.set_model_preprocess_cfg(model, {**PIXELS})
    return model


def clip_in_memory(folder: Path) -> OpenClip:
    return OpenClip(random_clip(), open_clip.SimpleTokenizer(context_length=16))


def clip_from_folder(folder: Path) -> OpenClip:
    config = {"model_cfg": TINY_CLIP, "preprocess_cfg": PIXELS}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(random_clip().state_dict(), folder / "open_clip_model.safetensors")
    return OpenClip.load(f"local-dir:{folder}", device="cpu")


SPACES = {"conse": tiny_conse, "clip": clip_in_memory, "clip-folder": clip_from_folder}


@pytest.fixture(scope="module", params=SPACES)
def space(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ImageTextSpace:
    return SPACES[request.param](tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def squares() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(37)]


def photos_in_text_space(space: ImageTextSpace, squares: Sequence[np.ndarray]) -> np.ndarray:
    return space.to_text_space(space.photos.encode(squares))


def test_photos_and_texts_give_unit_rows(space: ImageTextSpace, squares: list) -> None:
    images, texts = space.photos.encode(squares), space.embed_texts(TEXTS)
    among_texts = space.to_text_space(images)
    assert images.shape == (37, space.photos.dim)
    assert texts.shape == (5, space.texts.dim)
    assert among_texts.shape == (37, space.texts.dim)
    for rows in (images, texts, among_texts):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_different_photos_give_different_rows(space: ImageTextSpace, squares: list) -> None:
    dark_and_light = [np.full((32, 32, 3), level, np.uint8) for level in (0, 255)]
    rows = space.photos.encode([*squares, *dark_and_light])
    assert len(np.unique(rows.round(6), axis=0)) == len(rows)


def test_to_text_space_does_not_depend_on_the_batch(space: ImageTextSpace, squares: list) -> None:
    together = photos_in_text_space(space, squares)
    alone = np.concatenate([photos_in_text_space(space, [square]) for square in squares])
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_embed_texts_does_not_depend_on_the_batch(space: ImageTextSpace) -> None:
    alone = np.concatenate([space.embed_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(space.embed_texts(TEXTS), alone, atol=2e-5)


def test_embedding_is_deterministic(space: ImageTextSpace, squares: list) -> None:
    np.testing.assert_array_equal(
        photos_in_text_space(space, squares), photos_in_text_space(space, squares)
    )
    np.testing.assert_array_equal(space.embed_texts(TEXTS), space.embed_texts(TEXTS))


def test_embedding_follows_a_permutation(
    space: ImageTextSpace, squares: list, rng: np.random.Generator
) -> None:
    order = rng.permutation(len(squares))
    np.testing.assert_allclose(
        photos_in_text_space(space, [squares[i] for i in order]),
        photos_in_text_space(space, squares)[order],
        atol=2e-5,
    )
    np.testing.assert_allclose(
        space.embed_texts(TEXTS[::-1]), space.embed_texts(TEXTS)[::-1], atol=2e-5
    )


def test_embedding_nothing_gives_no_rows(space: ImageTextSpace) -> None:
    assert photos_in_text_space(space, []).shape == (0, space.texts.dim)
    assert space.embed_texts([]).shape == (0, space.texts.dim)


def test_to_text_space_leaves_a_missing_photo_missing(space: ImageTextSpace, squares: list) -> None:
    images = space.photos.encode(squares[:3])
    images[1] = 0.0
    rows = space.to_text_space(images)
    np.testing.assert_array_equal(np.any(rows, axis=1), [True, False, True])


def test_embed_texts_cleans(space: ImageTextSpace) -> None:
    np.testing.assert_array_equal(
        space.embed_texts(["Tea &amp; <b>coffee</b>\n pot"]),
        space.embed_texts(["Tea & coffee pot"]),
    )


def test_photos_are_decoded_to_squares_or_refused(space: ImageTextSpace) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(buffer, "PNG")
    square = space.photos.prepare(space.photos.decode(buffer.getvalue(), PhotoLimits()))
    assert (square.dtype, square.ndim, square.shape[0]) == (np.uint8, 3, square.shape[1])
    with pytest.raises(PhotoError, match="not-a-photo"):
        space.photos.decode("not-a-photo.jpg", PhotoLimits())


def test_vocabulary_lies_in_the_text_space(space: ImageTextSpace) -> None:
    assert space.vocabulary.shape[1] == space.texts.dim
    np.testing.assert_allclose(np.linalg.norm(space.vocabulary, axis=1), 1.0, atol=1e-5)


def test_slopes_are_positive(space: ImageTextSpace) -> None:
    assert min(vars(space.slopes).values()) > 0


def test_fingerprint_tells_spaces_apart(tmp_path: Path) -> None:
    fingerprints = {name: make(tmp_path).fingerprint for name, make in SPACES.items()}
    assert fingerprints["clip"] == fingerprints["clip-folder"] != fingerprints["conse"]
    changed = random_clip()
    with torch.no_grad():
        changed.text_projection[0, 0] += 1.0
    other = OpenClip(changed, open_clip.SimpleTokenizer(context_length=16))
    assert other.fingerprint != fingerprints["clip"]
    assert {len(fingerprint) for fingerprint in fingerprints.values()} == {64}
