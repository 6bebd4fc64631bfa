"""One session, on Sail if nothing else is asked for, and one bundle for this folder's tests."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.config import Config, ImageConfig
from shelfsure.embedding.embedder import Embedder
from shelfsure.spark.session import connect
from shelfsure.spark.workers import WorkerOptions

from ..conftest import BuildOnce

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


MASTER = os.environ.get("SHELFSURE_SPARK_MASTER", "sail")
"""`make test-spark` runs these tests on Spark itself."""


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    with connect(MASTER) as session:
        yield session


@pytest.fixture(scope="session")
def bundle(build_once: BuildOnce, request: pytest.FixtureRequest) -> Path:
    """The drawn shop's bundle, whose encoders are real, and quick."""

    def fill(folder: Path) -> None:
        names = ("starter_photos", "starter_texts", "drawn_shop", "without_retrieval")
        photos, texts, shop, fit = map(request.getfixturevalue, names)
        catalog = read_catalog(shop / "catalogue.csv", need_category=True)
        config = Config(levels=2, image=ImageConfig(side_px=64, crop_mode="border"))
        pipeline = fit(catalog, config, embedder=Embedder(photos, texts))
        pipeline.save(folder / "bundle")

    return build_once("spark", fill) / "bundle"


@pytest.fixture(scope="session")
def worker() -> WorkerOptions:
    return WorkerOptions(device="cpu", runtime="torch")


@pytest.fixture(scope="session")
def shop_rows(drawn_shop: Path) -> list[dict[str, Any]]:
    """The drawn shop's listings with their photos as bytes, and rows that no listing is in."""
    rows: list[dict[str, Any]] = [
        {
            "listing_id": one.listing_id,
            "title": one.title,
            "image": Path(str(one.image)).read_bytes(),
            "category": one.category,
            "shop": {"name": f"shop {number % 4}", "rating": None},
        }
        for number, one in enumerate(read_catalog(drawn_shop / "catalogue.csv").listings)
    ]
    rows[3]["image"] = b"no photo"
    rows[5]["title"] = None
    rows[7]["image"] = None
    rows[9] |= {"title": None, "image": None}
    rows[11]["listing_id"] = None
    rows[13]["image"] = rows[13]["image"][:200]
    return rows


WriteTable = Callable[[Path, Sequence[Sequence[dict[str, Any]]]], str]


@pytest.fixture(scope="session")
def write_table() -> WriteTable:
    """Write rows as a Parquet folder, a file for each sequence of them; one may be empty."""

    def write(folder: Path, parts: Sequence[Sequence[dict[str, Any]]]) -> str:
        folder.mkdir(parents=True)
        schema = pa.Table.from_pylist([row for part in parts for row in part]).schema
        for number, part in enumerate(parts):
            table = pa.Table.from_pylist(list(part), schema=schema)
            pq.write_table(table, folder / f"{number}.parquet")
        return str(folder)

    return write
