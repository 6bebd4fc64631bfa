"""What was judged is kept whole, bounded, deletable, and never with the title unless asked."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from shelfsure.core.errors import ConfigError, OutputError
from shelfsure.fusion.views import View
from shelfsure.monitoring.log_folder import LogFolder
from shelfsure.monitoring.log_rows import SCHEMA, log_rows, vectors_of
from shelfsure.monitoring.verdict_log import VerdictLog

Judge = Callable[..., Any]
NOW = datetime.now(UTC)


def ids(folder: LogFolder) -> list[str]:
    return list(folder.newest(10_000)["listing_id"].to_pylist())


def test_a_row_has_the_verdict_and_vectors_in_half_precision_but_no_title(judged: Judge) -> None:
    embedded, verdicts = judged(3)
    lacking = np.array([True, False, True])
    embedded = replace(embedded, photo=View(embedded.photo.features, lacking))
    rows = log_rows(embedded, verdicts, NOW)
    assert rows.schema == SCHEMA
    said = rows.to_pylist()
    assert [row["missing"] for row in said] == [[], ["photo"], []]
    assert [(row["listing_id"], row["category"], row["group"]) for row in said][1] == (
        "a1",
        "A",
        "s",
    )
    assert rows["title"].null_count == 3
    assert (
        log_rows(embedded, verdicts, NOW, keep_titles=True)["title"][2].as_py() == "secret title 2"
    )
    photos = vectors_of(rows, "photo")
    assert photos.present.tolist() == lacking.tolist()
    assert photos.features[2] == pytest.approx(embedded.photo.features[2], abs=1e-3)
    assert photos.features[2].astype(np.float16).tolist() == photos.features[2].tolist()


def test_verdicts_that_waited_are_on_the_disk_after_close_in_one_file_of_the_day(
    judged: Judge, tmp_path: Path
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    with VerdictLog(folder, flush_s=60) as log:
        log.add(*judged(2))
        log.add(*judged(3, "b"))
        assert folder.files() == []
    assert ids(folder) == ["a0", "a1", "b0", "b1", "b2"]
    assert [path.parent.name for path in folder.files()] == [f"{NOW:%Y-%m-%d}"]
    assert b"secret" not in b"".join(p.read_bytes() for p in folder.path.rglob("*") if p.is_file())


def test_flushes_grow_one_file_until_it_is_full(
    judged: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfsure.monitoring.log_folder.ROWS_A_FILE", 4)
    folder = LogFolder.create(tmp_path / "log")
    for start in range(5):
        folder.append(log_rows(*judged(2, f"{start}-"), NOW + timedelta(microseconds=start)), "w")
    assert [pq.read_metadata(path).num_rows for path in folder.files()] == [4, 4, 2]
    assert len(ids(folder)) == 10


def test_the_log_is_bounded_in_days_and_bytes_and_drops_the_oldest(
    judged: Judge, tmp_path: Path
) -> None:
    folder = LogFolder.create(tmp_path / "log", keep_days=2)
    for age in (5, 2, 1, 0):
        folder.append(log_rows(*judged(1, f"{age}-"), NOW - timedelta(days=age)), "w")
    assert ids(folder) == ["1-0", "0-0"]
    one = folder.files()[-1].stat().st_size
    tight = replace(folder, keep_days=None, keep_bytes=2 * one + 100)
    tight.append(log_rows(*judged(1, "new-"), NOW + timedelta(seconds=1)), "other")
    assert ids(tight) == ["0-0", "new-0"]
    assert sum(path.stat().st_size for path in tight.files()) <= 2 * one + 100


def test_a_forgotten_listing_is_gone_also_from_what_still_waits(
    judged: Judge, tmp_path: Path
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    folder.append(log_rows(*judged(3), NOW), "w")
    with VerdictLog(folder, flush_s=60) as log:
        log.add(*judged(2))  # a0 and a1 again
        assert folder.forget(["a1", "a2"]) == 2
        assert ids(folder) == ["a0"]
        log.add(*judged(3))  # judged anew after that
    assert sorted(ids(folder)) == ["a0", "a0", "a0", "a1", "a2"]
    assert b"a1" not in (folder.path / "forgotten.json").read_bytes()


def test_a_half_written_file_is_never_read(
    judged: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    folder.append(log_rows(*judged(1), NOW), "w")
    write = pq.write_table

    def killed(rows: Any, path: Path, **options: Any) -> None:
        write(rows, path, **options)
        os.truncate(path, 40)
        assert ids(folder) == ["a0"]  # what a reader sees meanwhile
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.append(log_rows(*judged(1, "b"), NOW), "w")
    assert ids(folder) == ["a0"]


def test_a_disk_that_fails_loses_nothing_once_it_is_back_and_never_stops_who_judges(
    judged: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    failed, append = threading.Event(), LogFolder.append

    def full(*_: object) -> None:
        failed.set()
        raise OutputError("the disk is full")

    monkeypatch.setattr("shelfsure.monitoring.verdict_log.MAX_WAITING_ROWS", 5)
    monkeypatch.setattr(LogFolder, "append", full)
    with VerdictLog(folder, flush_s=0.01) as log:
        log.add(*judged(4))
        assert failed.wait(10)
        log.add(*judged(2, "b"))
        assert log.n_dropped == 2
        monkeypatch.setattr(LogFolder, "append", append)
    assert ids(folder) == ["a0", "a1", "a2", "a3"]
    assert caplog.text.count("verdicts can't be logged: the disk is full") == 1


def test_a_write_that_fails_half_way_leaves_no_row_twice(
    judged: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    calls, append = [], LogFolder.append

    def full_at_second(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OutputError("the disk is full")
        append(*given)

    monkeypatch.setattr("shelfsure.monitoring.verdict_log.ROWS_A_FILE", 2)
    monkeypatch.setattr(LogFolder, "append", full_at_second)
    with VerdictLog(folder, flush_s=60) as log:
        tables = [log_rows(*judged(4), NOW)]
        log._waiting = list(tables)
        log._write(tables)
        assert log._n_waiting == 2
    assert sorted(ids(folder)) == ["a0", "a1", "a2", "a3"]
    assert len(calls) == 3


def test_only_a_log_or_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=f"but {tmp_path} holds something else"):
        LogFolder.create(tmp_path)
    with pytest.raises(ConfigError, match=f"but {tmp_path} has none"):
        LogFolder.open(tmp_path)
    LogFolder.create(tmp_path / "log")
    assert LogFolder.create(tmp_path / "log").path == LogFolder.open(tmp_path / "log").path


WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.views import View
from shelfsure.monitoring.log_folder import LogFolder
from shelfsure.monitoring.log_rows import log_rows
from shelfsure.pipeline.verdict import Verdict
folder = LogFolder.create(Path(sys.argv[1]))
view = View(np.eye(2, dtype=np.float32), np.ones(2, dtype=bool))
for number in range(10_000):
    listings = [Listing(f"{number}-{row}") for row in range(2)]
    verdicts = [Verdict(listing_id=each.listing_id, decision="review") for each in listings]
    embedded = EmbeddedListings.of_photos(listings, view, [None] * 2, view)
    folder.append(log_rows(embedded, verdicts, datetime.now(UTC)), "w")
    print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_written_and_leaves_nothing_half(
    start_process: Callable[..., Any], judged: Judge, tmp_path: Path
) -> None:
    process = start_process(WRITE_FOR_EVER, tmp_path / "log")
    written = -1
    while written < 20:
        written = int(process.output.readline())
    process.kill()
    process.wait()
    folder = LogFolder.open(tmp_path / "log")
    kept = ids(folder)
    assert kept[: 2 * (written + 1)] == [f"{n}-{row}" for n in range(written + 1) for row in (0, 1)]
    folder.append(log_rows(*judged(1), NOW + timedelta(days=1)), "next")
    assert ids(folder) == [*kept, "a0"]


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_file_is_named(kept: float, judged: Judge, tmp_path: Path) -> None:
    folder = LogFolder.create(tmp_path / "log")
    with VerdictLog(folder) as log:
        log.add(*judged(3))
    [path] = folder.files()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    for look in (lambda: folder.newest(9), lambda: folder.forget(["a1"])):
        with pytest.raises(ConfigError, match=f"{path.name} must be a readable Parquet file"):
            look()


@pytest.mark.parametrize("text", ["[1]", '{"a": 1}', '{"a": "2026-01-01T00:00:00"}', "{"])
def test_forget_goes_on_where_what_it_remembers_is_damaged(
    text: str, judged: Judge, tmp_path: Path
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    with VerdictLog(folder) as log:
        log.add(*judged(3))
    (folder.path / "forgotten.json").write_text(text)
    assert folder.forget(["a1"]) == 1
    assert ids(folder) == ["a0", "a2"]
