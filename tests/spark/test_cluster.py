"""Spark itself: two worker processes, of which one is killed in the middle of the work."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shelfsure.spark.judge import judge
from shelfsure.spark.workers import WorkerOptions

from .conftest import MASTER, WriteTable
from .test_duplicates import pairs_of, ran

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.skipif(
        not MASTER.startswith("local-cluster"), reason="needs Spark itself: make test-spark"
    ),
    pytest.mark.slow,
    pytest.mark.timeout(900),  # each worker loads PyTorch, and a new one once more
]


def executors() -> list[int]:
    """Find this machine's executors that belong to this test: Spark's own processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = f"--app-id\0{_app_id()}".encode() in b"\0".join(words)
        if ours and b"org.apache.spark.executor.CoarseGrainedExecutorBackend" in words:
            found.append(int(process.name))
    return sorted(found)


def _app_id() -> str:
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    assert context is not None
    return str(context.applicationId)


@contextmanager
def killing_one(spark: "SparkSession") -> Iterator[list[int]]:
    """Kill an executor as soon as some tasks have ended, and others run."""
    killed: list[int] = []
    stop = threading.Event()
    tracker: Any = spark.sparkContext.statusTracker()

    def watch() -> None:
        while not stop.is_set() and not killed:
            time.sleep(0.05)
            for stage in tracker.getActiveStageIds():
                info = tracker.getStageInfo(stage)
                busy = info and info.numActiveTasks and info.numCompletedTasks
                if busy and len(executors()) == 2:
                    killed.append(executors()[0])
                    os.kill(killed[0], signal.SIGKILL)
                    return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def test_judge_survives_a_killed_worker(
    spark: "SparkSession",
    bundle: Path,
    worker: WorkerOptions,
    shop_rows: list[dict[str, Any]],
    write_table: WriteTable,
    tmp_path: Path,
) -> None:
    rows = [
        {**row, "listing_id": f"{number}-{row['listing_id']}"}
        for number in range(4)
        for row in shop_rows
        if row["listing_id"]
    ]
    source = write_table(tmp_path / "in", [rows[part::12] for part in range(12)])
    df = spark.read.parquet(source)

    def judged() -> list[dict[str, Any]]:
        found = judge(df.repartition(12), bundle, worker=worker).toArrow().to_pylist()
        return sorted(found, key=lambda row: str(row["listing_id"]))

    calm = judged()
    with killing_one(spark) as killed:
        found = judged()
    assert len(killed) == 1
    assert len(found) == len(rows)
    assert [row["decision"] for row in found] == [row["decision"] for row in calm]
    for one, other in zip(found, calm, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=2e-6)


def test_find_duplicates_survives_a_killed_worker(
    spark: "SparkSession",
    bundle: Path,
    shop_rows: list[dict[str, Any]],
    write_table: WriteTable,
    tmp_path: Path,
) -> None:
    copies = [{**row, "listing_id": f"z{row['listing_id']}"} for row in shop_rows[20:30]]
    rows = [row for row in shop_rows if row["listing_id"]] + copies
    source = write_table(tmp_path / "in", [rows[part::6] for part in range(6)])
    calm = ran(spark, source, tmp_path / "calm", bundle)
    with killing_one(spark) as killed:
        found = ran(spark, source, tmp_path / "killed", bundle)
    assert len(killed) == 1
    assert pairs_of(found) == pairs_of(calm)
    assert found.group_rows() == calm.group_rows()
    assert len(found.groups) >= 10
