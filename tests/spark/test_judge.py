"""Judging a DataFrame: the verdicts of `predict`, whatever the rows and however they come."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.errors import CatalogError, ConfigError
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.batch import judge as judge_catalog
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.pipeline.verdict_file import flat_record
from shelfsure.spark.judge import judge
from shelfsure.spark.rows import RowOptions
from shelfsure.spark.shift import verdict_of
from shelfsure.spark.workers import WorkerOptions

from .conftest import WriteTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOISE = 2e-6


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["listing_id"]: row for row in rows}


def assert_same(found: Any, expected: Any) -> None:
    """Compare to the letter, and numbers but for the noise of computing in other batches."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=NOISE)
    elif isinstance(expected, Mapping):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory,
    write_table: WriteTable,
    shop_rows: list[dict[str, Any]],
) -> str:
    """Four files: of some rows, of none, of one, of the rest."""
    parts = [shop_rows[:30], [], shop_rows[30:31], shop_rows[31:]]
    return write_table(tmp_path_factory.mktemp("judge") / "shop", parts)


@pytest.fixture(scope="module")
def expected(source: str, bundle: Path) -> dict[str, Verdict]:
    pipeline = ListingPipeline.load(bundle, RunOptions(device="cpu", runtime="torch"))
    verdicts = judge_catalog(pipeline, read_catalog(source))
    assert {v.decision for _, v in verdicts} >= {"review", "rejected"}
    return {verdict.listing_id: verdict for _, verdict in verdicts}


def test_judge_gives_the_verdicts_of_predict(
    spark: "SparkSession", source: str, bundle: Path, worker: WorkerOptions, expected: Any
) -> None:
    df = spark.read.parquet(source)
    found = by_id(judge(df, bundle, worker=worker, keep=["shop"]).toArrow().to_pylist())
    assert found.keys() == expected.keys()
    for key, row in found.items():
        flat = flat_record(expected[key].model_dump(mode="json"))
        assert list(row)[: len(flat)] == list(flat)
        for name, value in flat.items():
            if isinstance(value, str) and value[:1] in {"[", "{"}:
                assert_same(json.loads(row[name]), json.loads(value))
            else:
                assert_same(row[name], value)
    kept = {row["listing_id"]: row["shop"] for row in df.select("listing_id", "shop").collect()}
    assert found["s01"]["shop"] == kept["s01"].asDict() == {"name": "shop 1", "rating": None}


def test_judge_tells_why_a_row_is_rejected(
    spark: "SparkSession", source: str, bundle: Path, worker: WorkerOptions
) -> None:
    judged = judge(spark.read.parquet(source), bundle, worker=worker)
    rows = judged.where("decision = 'rejected'").select("listing_id", "reasons").collect()
    reasons = {row["listing_id"]: row["reasons"] for row in rows}
    assert set(reasons) == {"s03", "s09", "", "s13"}
    assert "got unknown data" in reasons["s03"]
    assert "missing photo and title" in reasons["s09"]
    assert "missing listing_id" in reasons[""]
    assert "ends early" in reasons["s13"]


def test_judge_goes_by_titles_where_photos_cant_be_used(
    spark: "SparkSession", source: str, bundle: Path, worker: WorkerOptions
) -> None:
    df = spark.read.parquet(source).where("listing_id in ('s03', 's13')")
    rows = judge(df, bundle, RowOptions(on_photo_error="title"), worker).collect()
    assert {row["route"] for row in rows} == {"text_only"}


def test_judge_nested_is_the_same_verdict(
    spark: "SparkSession", source: str, bundle: Path, worker: WorkerOptions, expected: Any
) -> None:
    judged = judge(spark.read.parquet(source), bundle, worker=worker, nested=True)
    top = judged.selectExpr(
        "listing_id", "get(top_k, 0).category as best", "views['title'] as title"
    )
    for row in top.where("best is not null").collect():
        assert row["best"] == expected[row["listing_id"]].top_k[0].category
    table = judged.toArrow().drop_columns(["title"])
    for found in map(verdict_of, table.to_pylist(maps_as_pydicts="strict")):
        assert_same(
            found.model_dump(mode="json"), expected[found.listing_id].model_dump(mode="json")
        )


def test_judge_reads_paths_below_the_image_root_only(
    spark: "SparkSession", drawn_shop: Path, bundle: Path, worker: WorkerOptions
) -> None:
    rows = [("a", "photos/1.png"), ("b", "../catalogue.csv"), ("c", str(drawn_shop / "x.png"))]
    df = spark.createDataFrame(rows, "id string, photo string")
    columns = {"listing_id": "id", "image": "photo"}
    judged = judge(df, bundle, RowOptions(columns, str(drawn_shop)), worker)
    found = {row["listing_id"]: row for row in judged.collect()}
    assert found["a"]["route"] == "image_only"
    assert "photo outside the image folder" in found["b"]["reasons"]
    assert "photo not found" in found["c"]["reasons"]
    nowhere = judge(df, bundle, RowOptions(columns), worker).collect()
    assert {row["decision"] for row in nowhere} == {"rejected"}
    assert all("no image root" in row["reasons"] for row in nowhere)


def test_judge_complains_of_columns_before_anything_is_computed(
    spark: "SparkSession", bundle: Path
) -> None:
    df = spark.createDataFrame([("a", "b")], "listing_id string, shop string")
    with pytest.raises(CatalogError, match="DataFrame: column `image` is missing, and `title` too"):
        judge(df, bundle)
    df = df.withColumnRenamed("shop", "title")
    with pytest.raises(CatalogError, match="columns to keep must be there, but seller isn't"):
        judge(df, bundle, keep=["seller"])
    with pytest.raises(ConfigError, match="as a verdict's are, but title is"):
        judge(df, bundle, keep=["title"])
