"""Duplicates by cells: the pairs and groups of one machine."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import shelfsure.spark.near_pairs as near_pairs_module
from PIL import Image
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.arrays import unit_rows
from shelfsure.embedding.embedder import Embedder
from shelfsure.retrieval.duplicates.candidates import near_pairs as near_pairs_here
from shelfsure.retrieval.duplicates.match import DuplicateResult, match_listings
from shelfsure.spark.checkpoints import Checkpoints
from shelfsure.spark.duplicates import ClusterDuplicates
from shelfsure.spark.jobs import Job, duplicates_table
from shelfsure.spark.near_pairs import near_pairs
from shelfsure.spark.rows import RowOptions
from shelfsure.spark.workers import WorkerOptions

from .conftest import WriteTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def vectors(rng: np.random.Generator, n: int, n_kinds: int = 40) -> Any:
    kinds = rng.standard_normal((n_kinds, 32))
    rows = kinds[rng.integers(0, n_kinds, n)] + 0.5 * rng.standard_normal((n, 32))
    return unit_rows(rows.astype(np.float32))


def table(spark: "SparkSession", rows: Any, prefix: str = "") -> "DataFrame":
    keys = [f"{prefix}{row:05d}" for row in range(len(rows))]
    lists = pa.array(rows.tolist(), pa.list_(pa.float32()))
    return spark.createDataFrame(pa.table({"key": keys, "vector": lists}))


def as_rows(pairs: "DataFrame") -> dict[tuple[int, int], float]:
    return {(int(r["a"][-5:]), int(r["b"][-5:])): r["similarity"] for r in pairs.collect()}


def test_near_pairs_are_those_of_one_machine(
    spark: "SparkSession", rng: np.random.Generator, tmp_path: Path
) -> None:
    rows = vectors(rng, 1200)
    found = near_pairs(
        table(spark, rows), k=10, min_similarity=0.5,
        checkpoints=Checkpoints(spark, str(tmp_path)), name="x",
    )  # fmt: skip
    expected = near_pairs_here([rows], n_neighbours=10)
    here = dict(zip(map(tuple, expected.rows.tolist()), expected.similarity, strict=True))
    there = as_rows(found.pairs)
    assert found.n_cells > 50
    assert len(here.keys() & there.keys()) >= 0.99 * len(here)
    assert all(there[pair] == pytest.approx(here[pair], abs=2e-6) for pair in here.keys() & there)
    assert found.recall.value > 0.94
    assert found.recall.low < found.recall.value <= found.recall.high


def test_recall_tells_when_too_few_cells_are_visited(
    spark: "SparkSession", rng: np.random.Generator, tmp_path: Path
) -> None:
    rows = unit_rows(rng.standard_normal((1500, 64)).astype(np.float32))
    found = near_pairs(
        table(spark, rows), k=10, min_similarity=0.5, n_visited=1,
        checkpoints=Checkpoints(spark, str(tmp_path)), name="x",
    )  # fmt: skip
    assert found.recall.high < 0.8


def test_near_pairs_of_visitors_are_with_those_at_home(
    spark: "SparkSession", rng: np.random.Generator, tmp_path: Path
) -> None:
    home, visitors = np.split(vectors(rng, 60), [40])
    found = near_pairs(
        table(spark, home), table(spark, visitors, "new"), k=5, min_similarity=0.3,
        checkpoints=Checkpoints(spark, str(tmp_path)), name="x",
    )  # fmt: skip
    expected = near_pairs_here([visitors], home, n_neighbours=5, min_similarity=0.3)
    assert set(as_rows(found.pairs)) == {(int(a), int(b)) for a, b in expected.rows}


def test_a_crowded_cell_is_dealt_out(
    spark: "SparkSession",
    rng: np.random.Generator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nine tenths are nearly one vector: each still finds as many as it may, and so do others."""
    monkeypatch.setattr(near_pairs_module, "MAX_RESIDENTS", 100)
    crowd = rng.standard_normal(32) + 0.01 * rng.standard_normal((900, 32))
    rows = np.concatenate([unit_rows(crowd.astype(np.float32)), vectors(rng, 100, 5)])
    found = near_pairs(
        table(spark, rows), k=3, min_similarity=0.5,
        checkpoints=Checkpoints(spark, str(tmp_path)), name="x",
    )  # fmt: skip
    there = as_rows(found.pairs)
    n_found = np.bincount(np.array(list(there)).ravel(), minlength=1000)
    assert n_found[:900].min() >= 3
    others = {pair for pair in map(tuple, near_pairs_here([rows], n_neighbours=3).rows.tolist())
              if min(pair) >= 900}  # fmt: skip
    assert len(others & there.keys()) >= 0.9 * len(others)


CROP = (20, 10, 300, 270)


def jpeg(photo: Path, quality: int, box: tuple[int, int, int, int] | None = None) -> bytes:
    file = io.BytesIO()
    Image.open(photo).convert("RGB").crop(box).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.fixture(scope="module")
def rows(drawn_shop: Path) -> list[dict[str, Any]]:
    """The drawn shop, and copies of some of it: by bytes, by JPEG, by a crop, without a photo."""
    known: list[dict[str, Any]] = [
        {"listing_id": one.listing_id, "title": one.title, "image": Path(str(one.image))}
        for one in read_catalog(drawn_shop / "catalogue.csv").listings[:24]
    ]
    copies = [
        {**known[0], "listing_id": "ta-bytes", "image": known[0]["image"].read_bytes()},
        {**known[1], "listing_id": "tb-jpeg", "image": jpeg(known[1]["image"], 80)},
        {**known[2], "listing_id": "tc-crop", "image": jpeg(known[2]["image"], 90, CROP)},
        {**known[3], "listing_id": "td-text", "image": None},
        {"listing_id": "te-one", "title": "Bamboo cutlery set of twelve pieces", "image": None},
        {"listing_id": "tf-two", "title": "Bamboo cutlery set of twelve pieces", "image": None},
        {"listing_id": "broken", "title": "Broken", "image": b"no photo"},
    ]  # fmt: skip
    as_bytes = [{**row, "image": row["image"].read_bytes()} for row in known]
    return as_bytes + copies


def ran(spark: "SparkSession", source: str, out: Path, bundle: Path, **options: Any) -> Any:
    worker = WorkerOptions(device="cpu", runtime="torch")
    job = Job(spark, source, str(out), RowOptions(), worker)
    return duplicates_table(job, bundle, **options)


@pytest.fixture
def on_one_machine(starter_photos: Any, starter_texts: Any) -> Callable[[Path], DuplicateResult]:
    """Find the duplicates of a file without Spark."""

    def match(source: Path) -> DuplicateResult:
        embedder = Embedder(starter_photos, starter_texts)
        _, embedded = embedder.embed_catalog(read_catalog(source), description=False)
        return match_listings(embedded)

    return match


def pairs_of(found: ClusterDuplicates | DuplicateResult) -> dict[frozenset[str], Any]:
    return {
        frozenset((p.a.listing_id, p.b.listing_id)): (
            p.verdict, p.mergeable, p.evidence,
            pytest.approx(p.photo.probability, abs=1e-4),
        )
        for p in found.pairs
    }  # fmt: skip


def test_duplicates_are_those_of_one_machine(
    spark: "SparkSession",
    rows: list[dict[str, Any]],
    bundle: Path,
    on_one_machine: Callable[[Path], DuplicateResult],
    write_table: WriteTable,
    tmp_path: Path,
) -> None:
    source = write_table(tmp_path / "in", [rows[:11], rows[11:], []])
    found = ran(spark, source, tmp_path / "out", bundle)
    expected = on_one_machine(source)
    assert pairs_of(found) == pairs_of(expected)
    assert {frozenset(("s00", "ta-bytes")), frozenset(("s01", "tb-jpeg"))} <= pairs_of(found).keys()
    assert frozenset(("te-one", "tf-two")) in pairs_of(found)
    members = [{x.listing_id for x in (g.keeper, *g.members)} for g in found.groups]
    assert sorted(map(sorted, members)) == sorted(
        sorted(x.listing_id for x in (g.keeper, *g.members)) for g in expected.groups
    )
    assert found.n_listings == len(rows) - 1
    assert spark.read.parquet(str(tmp_path / "out/pairs")).count() == len(found.pairs)
    assert spark.read.parquet(str(tmp_path / "out/groups")).count() == sum(map(len, members))


def test_duplicates_against_another_table(
    spark: "SparkSession",
    rows: list[dict[str, Any]],
    bundle: Path,
    write_table: WriteTable,
    tmp_path: Path,
) -> None:
    known, new = (
        write_table(tmp_path / "known", [rows[:24]]),
        write_table(tmp_path / "new", [rows[24:28]]),
    )
    found = ran(spark, new, tmp_path / "out", bundle, against=known)
    pairs = {(pair.a.listing_id, pair.b.listing_id) for pair in found.pairs}
    assert {("ta-bytes", "s00"), ("tb-jpeg", "s01"), ("tc-crop", "s02")} <= pairs
    assert all(b.startswith("s") and not a.startswith("s") for a, b in pairs)
    assert all(group.keeper.listing_id.startswith("s") for group in found.groups)


def test_any_photo_of_a_listing_may_be_any_of_the_others(
    spark: "SparkSession",
    rows: list[dict[str, Any]],
    bundle: Path,
    on_one_machine: Callable[[Path], DuplicateResult],
    write_table: WriteTable,
    tmp_path: Path,
) -> None:
    photos = [row["image"] for row in rows[:12]]
    shop = [
        {"listing_id": f"s{n:02}", "title": rows[n]["title"], "image": photos[n], "more_images": []}
        for n in range(5)
    ]
    shop[1]["more_images"] = [photos[6], photos[7]]
    shop += [
        {**shop[0], "listing_id": "ta-main", "image": photos[8], "more_images": [photos[0]]},
        {**shop[1], "listing_id": "tb-further", "image": photos[9], "more_images": [photos[7]]},
        {
            **shop[2],
            "listing_id": "tc-stands-in",
            "image": b"no photo",
            "more_images": [photos[10], jpeg_of(photos[2])],
        },
    ]
    source = write_table(tmp_path / "in", [shop[:4], shop[4:]])
    found = ran(spark, source, tmp_path / "out", bundle)
    assert pairs_of(found) == pairs_of(on_one_machine(source))
    shown = {frozenset((p.a.listing_id, p.b.listing_id)): p.photos for p in found.pairs}
    assert shown[frozenset(("s00", "ta-main"))] == (1, 2)
    assert shown[frozenset(("s01", "tb-further"))] == (3, 2)
    assert shown[frozenset(("s02", "tc-stands-in"))] == (1, 3)


def jpeg_of(photo: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").save(file, "JPEG", quality=80)
    return file.getvalue()
