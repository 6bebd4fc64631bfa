"""What a limit on files makes libraries say is still one error of the output."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from shelfsure.core.errors import OutputError
from shelfsure.core.files import atomic_path

LIMIT = 100_000


def write_bytes(path: Path) -> None:
    path.write_bytes(bytes(5 * LIMIT))


def write_safetensors(path: Path) -> None:
    save_file({"a": np.zeros(5 * LIMIT, np.uint8)}, path)


def write_checkpoint(path: Path) -> None:
    torch.save({"a": torch.zeros(5 * LIMIT)}, path)


def write_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE a (b BLOB)")
        db.execute("INSERT INTO a VALUES (zeroblob(?))", (5 * LIMIT,))


@pytest.fixture
def limited() -> Iterator[None]:
    """Let no file grow beyond `LIMIT` bytes, as `ulimit -f` does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    "write",
    [write_bytes, write_safetensors, write_checkpoint, write_table],
    ids=lambda f: f.__name__,
)
def test_a_file_beyond_a_limit_is_one_error_and_leaves_nothing(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    with pytest.raises(OutputError) as failed, atomic_path(tmp_path / "out") as partial:
        write(partial)
    said = str(failed.value)
    assert said.startswith(f"{tmp_path / 'out'} must be writable, but: ")
    assert "untouched" in said
    assert "disk is full" not in said
    assert list(tmp_path.iterdir()) == []
