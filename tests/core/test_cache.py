import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shelfsure.core.cache as cache_module
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.core.cache import EmbeddingCache, ServingCache, default_cache_dir
from shelfsure.core.errors import CacheError

VECTOR_BYTES = 4 * 8

WRITER = """
import sys
from pathlib import Path
import numpy as np
from shelfsure.core.cache import EmbeddingCache

folder, name = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for i in range(60):
    own, shared = f"{name}-{i}", f"shared-{i}"
    EmbeddingCache(folder).write("e", {own: np.full(8, name), shared: np.full(8, i)})
    assert set(EmbeddingCache(folder).read("e", [own, shared])) == {own, shared}
"""


def vectors(*keys: str) -> dict[str, np.ndarray]:
    return {key: np.full(8, len(key), dtype=np.float32) for key in keys}


def keys_in(cache: EmbeddingCache) -> set[str]:
    with closing(sqlite3.connect(cache.path)) as db:
        return {key for (key,) in db.execute("SELECT content FROM embeddings")}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that moves by one second whenever it is asked for."""
    now = [0.0]

    def tick() -> float:
        now[0] += 1
        return now[0]

    monkeypatch.setattr(cache_module.time, "time", tick)
    return now


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingCache:
    return EmbeddingCache(tmp_path_factory.mktemp("shared"))


@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20))
def test_read_gives_back_what_write_got(shared: EmbeddingCache, values: list[float]) -> None:
    cache, vector = shared, np.array(values, dtype=np.float32)
    cache.write("e", {"a": vector})
    found = cache.read("e", ["a", "not there", "a"])
    assert list(found) == ["a"]
    assert found["a"].dtype == np.float32
    np.testing.assert_array_equal(found["a"], vector)


def test_read_knows_encoders_apart(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.write("one", vectors("a"))
    assert cache.read("two", ["a"]) == {}


def test_read_takes_more_keys_than_one_query_can(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    keys = [f"k{i}" for i in range(33_000)]  # SQLite takes 32,766 variables
    cache.write("e", vectors(*keys))
    assert set(cache.read("e", keys)) == set(keys)


def test_write_replaces_a_vector(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.write("e", {"a": np.zeros(3)})
    cache.write("e", {"a": np.ones(3)})
    np.testing.assert_array_equal(cache.read("e", ["a"])["a"], np.ones(3, np.float32))
    assert cache.info().n_vectors == 1


def test_write_beyond_the_bound_keeps_the_last_used(tmp_path: Path, clock: list[float]) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=10 * VECTOR_BYTES)
    for i in range(10):
        cache.write("e", vectors(f"k{i}"))
    cache.read("e", ["k0", "k3"])
    assert cache.info().n_vectors == 10
    cache.write("e", vectors("new"))
    assert keys_in(cache) == {"k0", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "new"}
    assert cache.info().n_bytes <= cache.max_bytes


def test_two_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [
        subprocess.Popen(
            [*command, str(name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in (1, 2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    # neither has opened the file yet: both create it, and write, at the same moment
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    cache = EmbeddingCache(tmp_path)
    assert cache.info().n_vectors == 3 * 60
    np.testing.assert_array_equal(cache.read("e", ["2-59"])["2-59"], np.full(8, 2, np.float32))


@pytest.mark.parametrize("use", ["read", "write", "info", "clear"])
def test_corrupt_file_is_an_error_with_ways_out(tmp_path: Path, use: str) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.path.write_bytes(b"this is no database, " * 100)
    arguments = {"read": ("e", ["a"]), "write": ("e", vectors("a"))}.get(use, ())
    with pytest.raises(CacheError, match="not a database") as caught:
        getattr(cache, use)(*arguments)
    for said in (str(cache.path), "Remove the file", "SHELFSURE_CACHE_DIR", "--no-cache"):
        assert said in str(caught.value)


def test_folder_that_is_a_file_is_a_cache_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match="SHELFSURE_CACHE_DIR"):
        EmbeddingCache(tmp_path / "file").info()


def test_clear_of_a_busy_cache_is_a_cache_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.write("e", vectors("a"))
    connect = sqlite3.connect
    monkeypatch.setattr(cache_module.sqlite3, "connect", lambda path, **_: connect(path, 0.1))
    with closing(connect(cache.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CacheError, match="locked"):
            cache.clear()


def test_clear_removes_all_and_gives_the_space_back(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.write("e", {f"k{i}": np.zeros(2_000) for i in range(200)})
    cache.write("f", vectors("a"))
    before = cache.path.stat().st_size
    assert cache.clear() == 201
    assert cache.info().n_vectors == 0
    assert cache.path.stat().st_size < before / 10


def test_info_counts_vectors_encoders_and_bytes(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=1_000)
    cache.write("e", vectors("a", "b"))
    cache.write("f", vectors("a"))
    info = cache.info()
    assert (info.n_vectors, info.n_encoders, info.n_bytes) == (3, 2, 3 * VECTOR_BYTES)
    assert (info.path, info.max_bytes) == (cache.path, 1_000)


def test_default_cache_dir_heeds_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(tmp_path))
    assert default_cache_dir() == tmp_path
    assert EmbeddingCache().path == tmp_path / "embeddings.sqlite"
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", "")
    assert default_cache_dir().name == "shelfsure"


def test_use_moves_with_every_read(tmp_path: Path, clock: list[float]) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.write("e", vectors("a"))
    seen = []
    for _ in range(3):
        cache.read("e", ["a"])
        with closing(sqlite3.connect(cache.path)) as db:
            seen += db.execute("SELECT used FROM embeddings").fetchone()
    assert all(earlier < later for earlier, later in pairwise(seen))


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


def test_write_counts_what_is_there_only_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=200 * VECTOR_BYTES)
    counted = []
    make_room = EmbeddingCache._make_room
    monkeypatch.setattr(
        EmbeddingCache, "_make_room", lambda self, db: (counted.append(1), make_room(self, db))[1]
    )
    for i in range(240):
        cache.write("e", vectors(f"k{i}"))
    assert len(counted) <= 80
    assert 180 <= cache.info().n_vectors <= 200
