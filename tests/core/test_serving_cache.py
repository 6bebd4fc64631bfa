import logging
from pathlib import Path

import numpy as np
import pytest
from shelfsure.core.serving_cache import ServingCache


def test_serving_cache_remembers(tmp_path: Path) -> None:
    cache = ServingCache(tmp_path)
    cache.write("a", {"x": np.ones(3, dtype=np.float32)})
    assert cache.read("a", ["x", "y"]).keys() == {"x"}


def test_serving_cache_does_without_a_file_that_cannot_be_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "embeddings.sqlite").write_bytes(b"no database" * 100)
    cache = ServingCache(tmp_path)
    with caplog.at_level(logging.WARNING):
        cache.write("a", {"x": np.ones(3, dtype=np.float32)})
        assert cache.read("a", ["x"]) == {}
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
