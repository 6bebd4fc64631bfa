"""Bundles that load with encoders that need no weights."""

from collections.abc import Callable

import pytest
from shelfsure.embedding.embedder import Embedder
from shelfsure.pipeline import persistence


@pytest.fixture
def naming_encoders(
    monkeypatch: pytest.MonkeyPatch, naming_embedder: Callable[..., Embedder]
) -> None:
    monkeypatch.setattr(persistence, "load_embedder", lambda *_: naming_embedder())
