"""One exploration of the tiny catalogue, shared."""

from collections.abc import Callable
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.config import Config
from shelfsure.embedding.embedder import Embedder
from shelfsure.exploration.maps import explore
from shelfsure.exploration.maps.explore import Exploration, explore_catalog

NAMES = (
    "tfidf",
    "word-vectors",
    "sentence-encoder",
    "colour",
    "sift",
    "photo-encoder",
    "photo-encoder+tfidf",
)


@pytest.fixture(scope="session")
def tiny_exploration(tiny_folder: Path, fake_embedder: Callable[..., Embedder]) -> Exploration:
    """Sixty listings of three categories, two of a rare one, one bad photo; without UMAP."""
    catalog = read_catalog(tiny_folder / "catalogue.csv")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(explore, "has_umap", lambda: False)
        return explore_catalog(
            catalog, Config(levels=2, min_examples=5), embedder=fake_embedder(), names=NAMES
        )
