"""What a worker's process holds, and how much of it at a time."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shelfsure.spark.workers as workers
from shelfsure.core.errors import BundleReplacedError
from shelfsure.pipeline.bundle import open_bundle
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.spark.schema import arrow_type, ddl
from shelfsure.spark.shipping import ShippedBundle
from shelfsure.spark.workers import WorkerOptions, in_blocks, loaded


def batches(*sizes: int, n_bytes: int = 1) -> list[pa.RecordBatch]:
    numbers = iter(range(10**6))
    columns = [
        {"n": [next(numbers) for _ in range(size)], "photo": [b"x" * n_bytes] * size}
        for size in sizes
    ]
    return [pa.RecordBatch.from_pydict(column) for column in columns]


@pytest.mark.parametrize("sizes", [(), (0,), (1000,), (3, 0, 5, 400, 1), (1,) * 300])
def test_in_blocks_keeps_rows_and_order(sizes: tuple[int, ...]) -> None:
    blocks = list(in_blocks(batches(*sizes)))
    assert [n for block in blocks for n in block["n"].to_pylist()] == list(range(sum(sizes)))
    assert all(0 < block.num_rows <= workers.MAX_ROWS for block in blocks)
    assert len(blocks) == -(-sum(sizes) // workers.MAX_ROWS)


def test_in_blocks_bounds_bytes_whatever_comes_at_once() -> None:
    blocks = list(in_blocks(batches(100, n_bytes=10_000), max_bytes=400_000))
    assert [block.num_rows for block in blocks] == [32, 32, 36]


def test_loaded_loads_once_and_refuses_another_version(
    bundle: Path, worker: WorkerOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "_LOADED", {})
    loads: list[Any] = []
    load = ListingPipeline.load
    monkeypatch.setattr(ListingPipeline, "load", lambda *a: loads.append(a) or load(*a))
    version = open_bundle(bundle).version
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    shipped = ShippedBundle(version, str(copy), sent=False)
    with loaded(shipped, worker) as one:
        assert one.version == version
    with loaded(shipped, worker) as other:
        assert other is one
    assert len(loads) == 1
    with (
        pytest.raises(BundleReplacedError, match=f"must be abc, .* but is {version} on this"),
        loaded(ShippedBundle("abc", str(copy), sent=False), worker),
    ):
        pass


def test_types_of_fields() -> None:
    kind = arrow_type(tuple[dict[str, float | None], ...], nested=True)
    assert ddl(kind) == "array<map<string, double>>"
    assert ddl(pa.list_(pa.int32())) == "array<int>"  # Sail would know int32, Spark doesn't
    assert ddl(arrow_type(tuple[str, ...], nested=False)) == "string"
