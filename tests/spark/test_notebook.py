"""docs/spark_notebook.py, run as it stands, on Sail."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import WriteTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "spark_notebook.py"


def test_the_notebook_runs_from_end_to_end(
    spark: "SparkSession",
    bundle: Path,
    shop_rows: list[dict[str, Any]],
    write_table: WriteTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [row for row in shop_rows if row["listing_id"]]
    rows += [{**row, "listing_id": f"again {row['listing_id']}"} for row in rows[20:23]]
    source = write_table(tmp_path / "in", [rows[part::2] for part in range(2)])
    for name, value in {"LISTINGS": source, "BUNDLE": bundle, "OUT": tmp_path / "out"}.items():
        monkeypatch.setenv(f"SHOP_{name}", str(value))
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text.startswith("# Databricks notebook source\n")
    names: dict[str, Any] = {"spark": spark, "__name__": "__main__"}
    for number, cell in enumerate(text.split("# COMMAND ----------\n")):
        exec(compile(cell, f"{NOTEBOOK.name}, cell {number}", "exec"), names)  # noqa: S102
    assert sum(names["judged"].counts.values()) == len(rows)
    said = capsys.readouterr().out
    groups = re.search(r"(\d+) groups; recall of planted copies [01]\.\d{3}", said)
    assert groups
    assert int(groups[1]) >= 3
    assert "again" in said
    assert "could_be" in said
