from pathlib import Path

import numpy as np
import pytest
from shelfsure.core.errors import WeightsError
from shelfsure.text.encoder import SentenceEncoder


def test_encode_puts_like_meanings_together(starter_texts: SentenceEncoder) -> None:
    towel, cloth, phone = starter_texts.encode(
        ["blue cotton bath towel", "navy terry towel for the bathroom", "smartphone with 64 GB"]
    )
    assert towel @ cloth > 0.6
    assert towel @ phone < 0.3


def test_encode_equals_the_library_on_its_own(starter_texts: SentenceEncoder) -> None:
    texts = ["a", "Кружка 330 ml", "花瓶", "word " * 600, "🎁"]
    plain = starter_texts.model.encode(
        texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )
    np.testing.assert_allclose(starter_texts.encode(texts), plain, atol=1e-5)


def test_dim_is_the_models_width(starter_texts: SentenceEncoder) -> None:
    assert starter_texts.dim == 384


def test_load_refuses_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"modules\.json") as caught:
        SentenceEncoder.load(f"local-dir:{tmp_path}", device="cpu")
    assert str(tmp_path) in str(caught.value)


def test_load_refuses_a_folder_without_safetensors(
    starter_texts: SentenceEncoder, tmp_path: Path
) -> None:
    """A pickled checkpoint could run code, so it isn't taken in their place."""
    starter_texts.model.save(str(tmp_path), create_model_card=False)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="safetensors"):
        SentenceEncoder.load(f"local-dir:{tmp_path}", device="cpu")
