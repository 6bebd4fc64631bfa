"""The commands, from files to files."""

from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.cli.main import app
from typer.testing import CliRunner

from .conftest import WriteTable


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory,
    write_table: WriteTable,
    shop_rows: list[dict[str, Any]],
) -> str:
    return write_table(tmp_path_factory.mktemp("cli") / "shop", [shop_rows[:20], shop_rows[20:40]])


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["spark", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_judge_writes_a_table_and_goes_on_where_it_was(
    source: str, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "verdicts"
    words = ("judge", source, out, "--bundle", bundle, "--runtime", "torch", "--keep", "shop")
    said = run(*words)
    assert "4 rejected" in said
    assert f"in {out}." in said
    marks = sorted((tmp_path / "verdicts.work/judged/parts").rglob("*.parquet"))
    before = [path.stat().st_mtime_ns for path in marks]
    assert run(*words, "--overwrite") == said
    assert [path.stat().st_mtime_ns for path in marks] == before
    assert len(marks) >= 2


def test_prepare_writes_what_train_reads(source: str, tmp_path: Path) -> None:
    said = run("prepare", source, tmp_path / "out")
    assert "4 rejected" in said
    assert "2 unusable photo" in said
    parts = [path for path in (tmp_path / "out").iterdir() if path.name != "rejected"]
    kept = [read_catalog(part, need_category=True) for part in parts]
    assert sum(len(catalog.listings) for catalog in kept) == 36


def test_embed_counts_what_it_couldnt(source: str, bundle: Path, tmp_path: Path) -> None:
    said = run("embed", source, tmp_path / "out", "--bundle", bundle, "--runtime", "torch")
    assert said.startswith("36 embedded, 4 rejected")
