"""A long file is judged in parts: stopped and resumed, or shared, it comes out the same."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.pipeline import judged_file, verdict_parts
from shelfsure.pipeline.batch import judge
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict_file import JudgedRow

Run = Callable[..., Any]
PART, WINDOW = 5, 20  # of 44 rows
JUDGE = judged_file.judge_alone


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (judged_file, verdict_parts):
        monkeypatch.setattr(module, "PART_ROWS", PART)
    monkeypatch.setattr(judged_file, "WINDOW_ROWS", WINDOW)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], list[int]]:
    """Let the n-th part fail; gives the first rows of the parts that were judged since."""

    def at(n: int, error: BaseException | None) -> list[int]:
        judged: list[int] = []

        def judging(pipeline: ListingPipeline, catalog: Catalog, **given: Any) -> list[JudgedRow]:
            if len(judged) == n and error:
                raise error
            rows = JUDGE(pipeline, catalog, **given)
            judged.append(rows[0].row)
            return rows

        monkeypatch.setattr(judged_file, "judge_alone", judging)
        return judged

    return at


def spoil(shop: Path, rows: Iterable[int]) -> None:
    catalog = read_catalog(shop / "catalogue.csv")
    for row in rows:
        photo = catalog.listings[row - 1].image
        assert isinstance(photo, Path)
        photo.write_bytes(b"no photo")


def whole(run: Run, bundle: Path, shop: Path, suffix: str = ".jsonl") -> bytes:
    out = Path(f"whole{suffix}")
    done = run("predict", bundle, shop / "catalogue.csv", "--out", out)
    assert done.code == 0, done.error
    assert not Path(f"{out}.parts").exists()
    return out.read_bytes()


def assert_same(one: Any, other: Any) -> None:
    """Compare what JSON holds; a number may be off by what single precision leaves open."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, list):
        for each, counterpart in zip(one, other, strict=True):
            assert_same(each, counterpart)
    else:
        assert one == (pytest.approx(other, abs=2e-6) if isinstance(other, float) else other)


def test_predict_in_one_window_says_what_judging_at_once_says(
    run: Run, bundle: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(shop, [7])
    with (shop / "catalogue.csv").open("a") as file:
        file.write("s00,again,,\ns99,,,\n")
    monkeypatch.setattr(judged_file, "WINDOW_ROWS", 10_000)
    whole(run, bundle, shop)
    lines = Path("whole.jsonl").read_text().splitlines()
    catalog = read_catalog(shop / "catalogue.csv")
    titles = {n: x.title for n, x in zip(catalog.rows, catalog.listings, strict=True)}
    rows = judge(ListingPipeline.load(bundle), catalog)
    for line, (row, verdict) in zip(lines, rows, strict=True):
        expected = {**verdict.model_dump(mode="json"), "row": row, "title": titles.get(row)}
        assert_same(json.loads(line), expected)
    rejected = [row for row, verdict in rows if verdict.decision == "rejected"]
    assert (len(rows), rejected) == (46, [7, 45, 46])


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    run: Run, bundle: Path, shop: Path, stop: Callable[..., list[int]], suffix: str
) -> None:
    expected = whole(run, bundle, shop, suffix)
    out = Path(f"v{suffix}")
    given = ("predict", bundle, shop / "catalogue.csv", "--out", out)
    stop(3, KeyboardInterrupt())
    done = run(*given)
    assert done.code == 130
    assert f"3 parts of {PART} rows are kept in {out}.parts" in done.error
    assert f"--out {out} --resume" in done.error
    assert not out.exists()
    again = stop(2, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    done = run(*given, "--resume")
    assert (done.code, again) == (1, [16, 21])
    last = stop(99, None)
    done = run(*given, "--resume")
    assert done.code == 0, done.error
    assert last == [26, 31, 36, 41]
    assert out.read_bytes() == expected
    assert not Path(f"{out}.parts").exists()


def test_parts_of_something_else_are_neither_taken_nor_lost(
    run: Run, bundle: Path, shop: Path, stop: Callable[..., list[int]]
) -> None:
    given = ("predict", bundle, shop / "catalogue.csv", "--out", "v.csv")
    stop(3, KeyboardInterrupt())
    assert run(*given).code == 130
    stop(99, None)
    kept = sorted(Path("v.csv.parts").glob("*.jsonl"))
    assert len(kept) == 3
    for changed, said in [
        ((), "holds 3 parts of a run that didn't end. Pass --resume"),
        (("--resume", "--no-duplicates"), "duplicates: True, now False"),
        (("--resume", "--no-photos"), "no_photos: False, now True"),
        (("--resume", "--shard", "1/2"), "shards: 1, now 2"),
    ]:
        done = run(*given, *changed)
        assert done.code == 1
        assert said in done.error
    text = (shop / "catalogue.csv").read_text()
    (shop / "catalogue.csv").write_text(text.replace("lamps", "lamp", 1))
    done = run(*given, "--resume")
    assert "was begun with something else (file: " in done.error
    (shop / "catalogue.csv").write_text(text)
    shutil.rmtree(bundle)
    shutil.copytree(shop, bundle)  # no bundle any more
    assert run(*given, "--resume").code == 1
    assert sorted(Path("v.csv.parts").glob("*.jsonl")) == kept
    assert not Path("v.csv").exists()


def test_a_folder_of_somebody_elses_isnt_touched(run: Run, bundle: Path, shop: Path) -> None:
    Path("v.csv.parts").mkdir()
    Path("v.csv.parts/mine.txt").write_text("mine")
    for more in ((), ("--resume",)):
        done = run("predict", bundle, shop / "catalogue.csv", "--out", "v.csv", *more)
        assert done.code == 1
        assert "it holds something else (mine.txt)" in done.error
    assert [path.name for path in Path("v.csv.parts").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_make_the_whole_and_the_last_one_writes_it(
    run: Run, bundle: Path, shop: Path, stop: Callable[..., list[int]], order: tuple[int, ...]
) -> None:
    expected = whole(run, bundle, shop)
    given = ("predict", bundle, shop / "catalogue.csv", "--out", "v.jsonl")
    rows = []
    for place, number in enumerate(order):
        assert not Path("v.jsonl").exists()
        judged = stop(99, None)
        done = run(*given, "--shard", f"{number}/3")
        assert done.code == 0, done.error
        assert judged == list(range(5 * number - 4, 45, 15))
        rows += judged
        if place < 2:
            assert f"Shard {number}/3 is done" in done.out
            assert "Pass --resume" in run(*given, "--shard", f"{number}/3").error
    assert sorted(rows) == list(range(1, 45, PART))
    assert Path("v.jsonl").read_bytes() == expected
    assert not Path("v.jsonl.parts").exists()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_shard_says_what_it_must_be(run: Run, bundle: Path, shop: Path, text: str) -> None:
    done = run("predict", bundle, shop / "catalogue.csv", "--out", "v.csv", "--shard", text)
    assert done.code == 1
    assert f"is {text!r}" in done.error


def test_too_few_usable_rows_in_the_first_window_end_the_run(
    run: Run, bundle: Path, shop: Path, stop: Callable[..., list[int]]
) -> None:
    spoil(shop, range(1, 21))
    given = ("predict", bundle, shop / "catalogue.csv", "--out", "v.csv")
    judged = stop(99, None)
    done = run(*given)
    assert done.code == 1
    assert "20 rows: 0 kept, 20 rejected" in done.error
    assert "in its first 20 rows" in done.error
    assert judged == [1, 6, 11, 16]
    assert not Path("v.csv.parts").exists()


def test_too_few_usable_rows_in_all_keep_what_was_done(
    run: Run, bundle: Path, shop: Path, stop: Callable[..., list[int]]
) -> None:
    spoil(shop, range(21, 43))
    given = ("predict", bundle, shop / "catalogue.csv", "--out", "v.csv")
    done = run(*given, "--min-usable", "0.9")
    assert done.code == 1
    assert "44 rows: 22 kept, 22 rejected" in done.error
    assert "9 parts of 5 rows are kept" in done.error
    assert not Path("v.csv").exists()
    judged = stop(99, None)
    assert run(*given, "--min-usable", "0.5", "--resume").code == 0
    assert judged == []
    assert Path("v.csv").read_text().count("rejected") >= 22
