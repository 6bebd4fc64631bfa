"""ConSE's arithmetic, the class names, and how OpenClip finds weights or says why it can't."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from shelfsure.core.arrays import unit_rows
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.errors import ConfigError, WeightsError
from shelfsure.retrieval.zero_shot.conse import ConSE, conse, embed_classes
from shelfsure.retrieval.zero_shot.open_clip import OpenClip


class CountedTexts:
    """Tells texts apart by their letters, and counts what it had to embed."""

    dim = 26
    fingerprint = "letters"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, items: Sequence[str]) -> np.ndarray:
        self.seen += items
        counts = [[item.count(chr(97 + i)) for i in range(26)] for item in items]
        return unit_rows(np.array(counts).reshape(-1, 26))


def problem(seed: int, n: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        unit_rows(rng.standard_normal((n, 6))),
        rng.standard_normal((30, 6)),
        rng.standard_normal(30),
        unit_rows(rng.standard_normal((30, 5))),
    )


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0.1, 30))
def test_conse_equals_the_papers_formula(seed: int, top_k: int, norm: float) -> None:
    features, weights, biases, class_vectors = problem(seed)
    expected = []
    for feature in features:
        probabilities = softmax(norm * weights @ feature + biases)
        best = np.argsort(-probabilities)[:top_k]
        mixed = sum(probabilities[c] * class_vectors[c] for c in best)
        expected.append(mixed / np.linalg.norm(mixed))
    found = conse(features, weights, biases, class_vectors, feature_norm=norm, top_k=top_k)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_conse_of_one_class_is_its_vector() -> None:
    features, weights, biases, class_vectors = problem(0)
    best = (8.0 * features @ weights.T + biases).argmax(axis=1)
    found = conse(features, weights, biases, class_vectors, top_k=1)
    np.testing.assert_allclose(found, class_vectors[best], atol=1e-6)


def test_conse_has_the_same_answer_across_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = problem(1, n=25)
    whole = conse(*arrays)
    monkeypatch.setattr("shelfsure.retrieval.zero_shot.conse.ROWS_AT_ONCE", 4)
    np.testing.assert_allclose(conse(*arrays), whole, atol=1e-6)


def test_conse_ignores_a_shift_of_all_biases() -> None:
    features, weights, biases, class_vectors = problem(2)
    np.testing.assert_allclose(
        conse(features, weights, biases + 100.0, class_vectors),
        conse(features, weights, biases, class_vectors),
        atol=1e-5,
    )


def test_unit_rows_keeps_zero_rows() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0]])


def test_embed_classes_joins_the_prompted_name_and_the_definition() -> None:
    texts = CountedTexts()
    vectors = embed_classes(["hook, claw: a thing: bent"], texts)
    assert texts.seen == ["a photo of a hook", "hook, claw: a thing: bent"]
    expected = unit_rows(texts.encode(texts.seen).sum(axis=0, keepdims=True))
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_embed_classes_embeds_nothing_twice_with_a_cache(tmp_path: Path) -> None:
    cache, descriptions = EmbeddingCache(tmp_path), ["teapot: pot for tea", "crane: a bird"]
    first = embed_classes(descriptions, CountedTexts(), cache)
    again = CountedTexts()
    np.testing.assert_array_equal(embed_classes(descriptions, again, cache), first)
    assert again.seen == []


def test_conse_refuses_a_backbone_without_imagenets_classes() -> None:
    import torch

    backbone = SimpleNamespace(num_classes=7, get_classifier=lambda: torch.nn.Linear(4, 7))
    photos = SimpleNamespace(backbone=backbone, fingerprint="p")
    with pytest.raises(ConfigError, match="12 class names, got 7"):
        ConSE(photos, CountedTexts(), np.eye(12, 26))
    with pytest.raises(ConfigError, match="this one has 7 classes"):
        ConSE.from_encoders(photos, CountedTexts())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("ViT-B-32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K are needed, but HF_HUB_OFFLINE"),
        ("ViT-B-32.openai", "timm/vit_base_patch32_clip_224.openai are needed"),
        ("ViT-B-16-SigLIP2.webli", "timm/ViT-B-16-SigLIP2 are needed"),
        ("hf-hub:Marqo/marqo-ecommerce-embeddings-B", "Marqo/marqo-ecommerce-embeddings-B are"),
        ("ViT-B-32.best", r"got 'ViT-B-32\.best'\. Choose from: ViT-B-32\.openai"),
        ("VisualTransformer", "not 'VisualTransformer'"),
    ],
)
def test_load_says_which_weights_are_out_of_reach(
    weights: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=message):
        OpenClip.load(weights)


def test_load_refuses_a_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(WeightsError, match=rf"{tmp_path.name} must hold open_clip_config\.json"):
        OpenClip.load(f"local-dir:{tmp_path}")


def test_load_refuses_a_damaged_folder(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"can't be loaded: .*local-dir:/path"):
        OpenClip.load(f"local-dir:{tmp_path}")
