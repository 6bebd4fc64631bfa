"""Work that was killed goes on where it was, and never on something else."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shelfsure.core.errors import CatalogError, ConfigError
from shelfsure.spark.checkpoints import Checkpoints, input_files

from .conftest import WriteTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class KilledError(Exception):
    pass


@pytest.fixture
def source(tmp_path: Path, write_table: WriteTable) -> str:
    return write_table(
        tmp_path / "in", [[{"n": 3 * part + i} for i in range(3)] for part in range(4)]
    )


def test_in_parts_goes_on_after_a_kill(spark: "SparkSession", source: str, tmp_path: Path) -> None:
    worked: list[list[int]] = []

    def work(df: "DataFrame") -> "DataFrame":
        worked.append(sorted(row["n"] for row in df.collect()))
        if len(worked) == 3:
            raise KilledError
        return df.selectExpr("n", "n * n as square")

    kept = Checkpoints(spark, str(tmp_path / "work"))
    with pytest.raises(KilledError):
        kept.in_parts("squares", source, work, {"a": 1})
    found = kept.in_parts("squares", source, work, {"a": 1})
    assert sorted((r["n"], r["square"]) for r in found.collect()) == [(n, n * n) for n in range(12)]
    parts = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [6, 7, 8], [9, 10, 11]]
    assert worked[:5] == parts


def test_a_part_without_a_mark_is_written_anew(
    spark: "SparkSession", source: str, tmp_path: Path
) -> None:
    kept = Checkpoints(spark, str(tmp_path / "work"))
    half = tmp_path / "work/x/parts/00001"
    half.mkdir(parents=True)
    (half / "half.parquet").write_bytes(b"PAR1 of a killed writer")
    assert kept.in_parts("x", source, lambda df: df, 0, n_parts=2).count() == 12


def test_other_settings_or_files_are_refused(
    spark: "SparkSession", source: str, tmp_path: Path
) -> None:
    kept = Checkpoints(spark, str(tmp_path / "work"))
    kept.in_parts("x", source, lambda df: df, {"bundle": 1})
    with pytest.raises(ConfigError, match="must hold x of the same files, bundle and options"):
        kept.in_parts("x", source, lambda df: df, {"bundle": 2})
    with pytest.raises(ConfigError, match="Name another --work folder"):
        kept.in_parts("x", f"{source}/0.parquet", lambda df: df, {"bundle": 1})


def test_steps_without_rows_keep_their_columns(
    spark: "SparkSession", source: str, tmp_path: Path
) -> None:
    kept = Checkpoints(spark, str(tmp_path / "work"))
    nothing = kept.in_parts("x", source, lambda df: df.where("n < 0"), 0)
    assert (nothing.columns, nothing.count()) == (["n"], 0)
    whole = kept.whole("y", nothing, 0)
    assert (whole.columns, whole.collect()) == (["n"], [])


def test_whole_is_computed_once(spark: "SparkSession", tmp_path: Path) -> None:
    kept = Checkpoints(spark, str(tmp_path / "work"))
    assert kept.whole("x", spark.range(3), 0).count() == 3
    assert kept.whole("x", spark.range(5), 0).count() == 3


@pytest.mark.parametrize("place", ["nothing", "empty"])
def test_input_files_says_where_it_looked(
    spark: "SparkSession", tmp_path: Path, place: Any
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match=f"{place}: must be a Parquet file or a folder"):
        input_files(spark, str(tmp_path / place))
