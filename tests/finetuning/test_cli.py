"""`shelfsure finetune` as people meet it."""

import csv
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shelfsure.cli.main as cli
from shelfsure.catalog.catalog import Catalog
from shelfsure.finetuning.config import FinetuneConfig

HEARS_CTRL_C = """
import signal
from shelfsure.cli.main import main
# a shell's background job, as the tests may be, is deaf to it
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@pytest.fixture
def shop(tmp_path: Path, patterns: Catalog, quick: FinetuneConfig) -> Path:
    """Folder with a catalogue and a configuration; the photos lie elsewhere."""
    photos = next(Path(str(x.image)).parent for x in patterns.listings if x.image)
    (tmp_path / "photos").symlink_to(photos)
    with (tmp_path / "catalogue.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["listing_id", "title", "category", "image"])
        for x in patterns.listings:
            image = Path(str(x.image)).name if x.image else ""
            writer.writerow([x.listing_id, x.title, x.category, image])
    (tmp_path / "quick.yaml").write_text(quick.model_dump_json())
    return tmp_path


def command(shop: Path, *options: str) -> list[str]:
    return [
        *("finetune", str(shop / "catalogue.csv"), "--image-root", str(shop / "photos")),
        *("--config", str(shop / "quick.yaml"), "--out", str(shop / "ft"), "--device", "cpu"),
        *options,
    ]


def test_finetune_command_writes_an_encoder_and_says_how_good_it_is(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop)
    options = command(shop, "--epochs", "1", "--levels", "1", "--mlflow", "none")
    monkeypatch.setattr(sys, "argv", ["shelfsure", *options])
    with pytest.raises(SystemExit) as done:
        cli.main()
    said = capsys.readouterr()
    assert done.value.code in {0, None}, said.err
    assert "74 rows: 73 kept, 1 rejected (1 unusable photo)" in said.out
    assert "level 1: top-1" in said.out
    assert f"--image-encoder {shop / 'ft'}" in said.out.replace("\n", "")
    assert json.loads((shop / "ft/finetuned.json").read_text())["config"]["levels"] == 1


def test_a_cluster_that_starts_no_processes_is_refused(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["shelfsure", *command(shop, "--spark", "sail")])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 1
    assert "--devices starts several without Spark" in " ".join(capsys.readouterr().err.split())
    assert not (shop / "ft").exists()
    assert not list(shop.glob(".ft*"))


@pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")
def test_finetune_command_logs_its_curves(
    shop: Path,
    mlflow_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(shop)
    options = command(shop, "--epochs", "2", "--mlflow", mlflow_uri)
    monkeypatch.setattr(sys, "argv", ["shelfsure", *options])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code in {0, None}, capsys.readouterr().err
    client = MlflowClient(mlflow_uri)
    experiment = client.get_experiment_by_name("shelfsure-finetune")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.params["epochs"] == "2.0"
    steps = [point.step for point in client.get_metric_history(logged.info.run_id, "macro_f1")]
    assert steps == sorted(steps)
    assert len(steps) >= 2


def test_ctrl_c_leaves_a_run_that_can_be_resumed(
    shop: Path, start_process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = command(shop, "--epochs", "12", "--mlflow", "none")
    process = start_process(HEARS_CTRL_C, *options)
    last, deadline = shop / ".ft.finetuning/part-0/last.ckpt", time.monotonic() + 120
    while not last.is_file() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.output.read()
    assert process.wait() == 130, said
    assert "with --resume goes on from here" in said
    assert not (shop / "ft").exists()
    monkeypatch.setattr(sys, "argv", ["shelfsure", *options, "--resume"])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code in {0, None}
    assert (shop / "ft/finetuned.json").is_file()
