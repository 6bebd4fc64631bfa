"""From `predict --log-verdicts` to `monitor` and `log forget`, as a user does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shelfsure.monitoring.log_folder import LogFolder

Run = Callable[..., Any]


@pytest.fixture
def log(run: Run, bundle: Path, tiny_folder: Path, tmp_path: Path) -> Path:
    catalogue = tiny_folder / "catalogue.csv"
    done = run(
        *("predict", bundle, catalogue, "--out", "v.csv", "--device", "cpu"),
        *("--no-duplicates", "--log-verdicts", "log"),
    )
    assert done.code == 0, done.error
    return tmp_path / "log"


def test_monitor_finds_no_drift_in_training_itself_but_in_strangers(
    run: Run, bundle: Path, log: Path, tmp_path: Path
) -> None:
    monitor = ("monitor", bundle, log, "--reviews", tmp_path / "queue.sqlite", "--out", "report")
    same = run(*monitor)
    assert same.code == 0, same.error
    said = json.loads((tmp_path / "report/monitor.json").read_text())
    assert f"No drift in {said['n']} logged listings" in same.out
    assert said["n"] > 50

    [path] = LogFolder.open(log).files()
    rows = pq.read_table(path)
    n = rows.num_rows
    strange = pa.array([0.001] * n, pa.float64())
    pq.write_table(rows.set_column(7, "ood_p_value", strange), path)
    alert = f"cp /dev/stdin {tmp_path / 'alert.json'}"
    drifted = run(*monitor, "--alert-command", alert)
    assert drifted.code == 5
    assert "Drift: " in drifted.out
    assert json.loads((tmp_path / "alert.json").read_text())["drift"]["found"]
    failed = run(*monitor, "--alert-command", "false")
    assert (failed.code, "Warning: The alert command failed" in failed.error) == (5, True)
    assert (tmp_path / "report/monitor.html").exists()


def test_a_listing_is_forgotten_by_its_id(run: Run, log: Path) -> None:
    before = LogFolder.open(log).newest(1000)["listing_id"].to_pylist()
    assert {"t00", "t01"} <= set(before)
    done = run("log", "forget", log, "t00", "t01")
    assert (done.code, "2 verdicts are forgotten" in done.out) == (0, True)
    after = LogFolder.open(log).newest(1000)["listing_id"].to_pylist()
    assert after == [each for each in before if each not in {"t00", "t01"}]


def test_monitor_says_what_it_needs(run: Run, bundle: Path, log: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    for arguments, message in (
        (("--out", "r"), "are about a log: name its folder"),
        ((log,), "A log's report needs a place"),
        ((tmp_path / "mine", "--out", "r"), "must have a verdict-log.json"),
        ((log, "--out", tmp_path / "mine"), "holds something else"),
        ((log, "--out", "r", "--alert-url", "https://x.org"), "SHELFSURE_ALERT_KEY"),
    ):
        done = run("monitor", bundle, *arguments, "--reviews", tmp_path / "queue.sqlite")
        assert done.code == 1
        assert message in done.error
    assert (tmp_path / "mine/thesis.txt").read_text() == "mine"
