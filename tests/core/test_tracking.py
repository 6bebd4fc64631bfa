import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.errors import TrackingError
from shelfsure.core.tracking import ENVIRONMENT, OFF, environment, flatten, log_run

pytestmark = [
    # MLflow's models use a loader strategy that the newest SQLAlchemy warns of
    pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType.*:UserWarning"),
]

METRICS = {
    "n": 12,
    "arms": {"fusion": {"top1": 0.9}, "image_only": {"top1": 0.7}},
    "modalities": ["photo", "title"],
    "precision": None,
    "done": True,
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # MLflow lays the runs' files down in the current folder
    folder = tmp_path / "report"
    (folder / "plots").mkdir(parents=True)
    (folder / "index.html").write_text("<p>report</p>")
    (folder / "plots" / "a.svg").write_text("<svg/>")
    return folder


def log(uri: str, files: Path, **more: Any) -> str:
    given_values = {"parameters": {"accept": {"target": 0.97}, "levels": 1}, "metrics": METRICS}
    return log_run(uri, experiment="trial", name="shop", files=files, **{**given_values, **more})


def test_log_run_writes_a_whole_run_to_a_local_store(files: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{files.parent / 'mlflow.db'}"
    run_id = log(uri, files, parameters={"accept": {"target": 0.97}, "long": "x" * 2000})
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "shop"
    assert client.get_experiment(run.info.experiment_id).name == "trial"
    assert run.data.params == {"accept.target": "0.97", "long": "x" * 500}
    assert run.data.metrics == {"n": 12, "arms.fusion.top1": 0.9, "arms.image_only.top1": 0.7}
    assert {item.path for item in client.list_artifacts(run_id)} == {
        "environment.txt",
        "index.html",
        "plots",
    }
    assert [item.path for item in client.list_artifacts(run_id, "plots")] == ["plots/a.svg"]

    again = log(uri, files)
    assert again != run_id
    assert client.get_run(again).info.experiment_id == run.info.experiment_id
    with pytest.raises(TrackingError, match="a > b"):  # a name that MLflow doesn't allow
        log(uri, files, metrics={"a > b": 1.0})


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://127.0.0.1:9", "Max retries exceeded"),
        ("sqlite:///report", "unable to open database file"),
        ("sqlite:///no/such/folder/mlflow.db", "unable to open database file"),
        ("postgresql+nothing://127.0.0.1:9/runs", "nothing"),
        ("mssql://127.0.0.1:9/runs", "pyodbc"),
        ("nonsense://somewhere", "nonsense://somewhere"),
    ],
)
def test_log_run_says_quickly_which_store_it_cannot_reach(
    files: Path, monkeypatch: pytest.MonkeyPatch, uri: str, why: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyodbc", None)  # as where this driver isn't installed
    start = time.monotonic()
    with pytest.raises(TrackingError, match=why) as caught:
        log(uri, files)
    assert time.monotonic() - start < 15
    assert f"the MLflow store {uri}, but" in str(caught.value)
    assert f"{files} is complete without it" in str(caught.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[str]:
    """A real MLflow server on this machine, but for its job runners; gives its address."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log_file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 120
        while not _answers(f"{url}/health"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.3)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:  # a busy machine
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(15)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except OSError:
        return False


def _ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
        return json.load(response)


def test_log_run_shows_in_a_real_server_all_that_its_pages_draw(server: str, files: Path) -> None:
    data = files.parent / "catalogue.csv"
    data.write_text("title\nred mug\n")
    loss = {step: 1 / step for step in range(1, 1201)}  # more than one batch holds
    many = {f"setting{number:03d}": number for number in range(150)}
    parent = log(server, files)
    run_id = log(
        server, files, curves={"loss": loss}, data=data, parent=parent, parameters=many
    )  # fmt: skip
    api = f"{server}/ajax-api/2.0/mlflow"  # what the pages themselves ask
    [experiment] = [
        e
        for e in _ask(f"{api}/experiments/search", {"max_results": 10})["experiments"]
        if e["name"] == "trial"
    ]
    found = _ask(f"{api}/runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    [run] = [run for run in found if run["info"]["run_id"] == run_id]
    assert run["info"]["status"] == "FINISHED"
    assert len(run["data"]["params"]) == 150
    history = _ask(f"{api}/metrics/get-history?run_id={run_id}&metric_key=loss&max_results=2000")
    assert {m["step"]: m["value"] for m in history["metrics"]} == pytest.approx(loss)
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    assert tags["data_sha256"] == digest
    assert tags["mlflow.parentRunId"] == parent
    assert tags["shelfsure_version"] == version("shelfsure")
    [dataset] = run["inputs"]["dataset_inputs"]
    assert dataset["dataset"]["name"] == "catalogue.csv"
    assert digest.startswith(dataset["dataset"]["digest"])
    listed = _ask(f"{api}/artifacts/list?run_id={run_id}")["files"]
    assert {item["path"] for item in listed} == {ENVIRONMENT, "index.html", "plots"}
    place = f"{server}/get-artifact?path=index.html&run_id={run_id}"
    with urllib.request.urlopen(place, timeout=20) as response:  # noqa: S310
        assert b"report" in response.read()
    with urllib.request.urlopen(server, timeout=20) as page:  # noqa: S310
        assert b"<title>MLflow</title>" in page.read()


def test_log_run_names_the_commit_it_ran_on(files: Path, mlflow_uri: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow_uri)
    tag = "mlflow.source.git.commit"
    assert tag not in client.get_run(log(mlflow_uri, files)).data.tags
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run([*git, "init", "--quiet"], check=True, cwd=files.parent)
    subprocess.run(
        [*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True, cwd=files.parent
    )
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, cwd=files.parent, capture_output=True, text=True
    )
    assert client.get_run(log(mlflow_uri, files)).data.tags[tag] == head.stdout.strip()


def test_log_run_takes_one_file_too(files: Path, mlflow_uri: str) -> None:
    from mlflow import MlflowClient

    run_id = log(mlflow_uri, files / "index.html")
    listed = {item.path for item in MlflowClient(tracking_uri=mlflow_uri).list_artifacts(run_id)}
    assert listed == {ENVIRONMENT, "index.html"}


def test_environment_lists_what_is_installed() -> None:
    head, *packages = environment().splitlines()
    assert platform.python_version() in head
    assert f"pytest=={pytest.__version__}" in packages
    assert packages == sorted(packages, key=str.casefold)


def test_log_run_logs_nothing_where_it_is_off(files: Path) -> None:
    before = sorted(files.parent.rglob("*"))
    assert log(OFF, files) == ""
    assert sorted(files.parent.rglob("*")) == before


def test_tracking_leaves_mlflow_alone_until_it_is_needed() -> None:
    code = "import sys, shelfsure.core.tracking as t; assert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(
    st.recursive(
        st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3),
        lambda inner: st.dictionaries(st.sampled_from("abc"), st.integers() | inner, max_size=3),
        max_leaves=8,
    )
)
def test_flatten_keeps_every_leaf_under_its_path(values: dict[str, Any]) -> None:
    flat = flatten(values)
    for path, leaf in flat.items():
        found: Any = values
        for key in path.split("."):
            found = found[key]
        assert found == leaf

    def n_leaves(value: Any) -> int:
        return sum(map(n_leaves, value.values())) if isinstance(value, dict) else 1

    assert len(flat) == n_leaves(values)


AT_ONCE = """
import sys
from pathlib import Path
from shelfsure.core.tracking import log_run

run_id = log_run(
    sys.argv[1], experiment="trial", name=sys.argv[2], parameters={}, metrics={"n": 1},
    files=Path(sys.argv[3]),
)
assert run_id
"""


def test_log_run_by_three_at_once_makes_one_store(
    files: Path, start_process: Callable[..., Any]
) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{files.parent / 'fresh.db'}"
    started = [start_process(AT_ONCE, uri, name, files / "index.html") for name in "abc"]
    ended = [process.wait(150) for process in started]
    assert ended == [0, 0, 0], [process.output.read() for process in started]
    client = MlflowClient(tracking_uri=uri)
    (experiment,) = client.search_experiments(filter_string="name = 'trial'")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["a", "b", "c"]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_store_whose_making_was_stopped_is_made_anew(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.store.db.utils as tables

    uri, real = f"sqlite:///{tmp_path}/m.db", tables._upgrade_db

    def half(engine: Any) -> None:
        real(engine)
        with engine.begin() as db:  # as a kill between two of its steps leaves it
            db.exec_driver_sql("DELETE FROM alembic_version")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables, "_upgrade_db", half)
        with pytest.raises(KeyboardInterrupt):
            log(uri, files)
    assert [path.name for path in tmp_path.iterdir() if ".partial-" in path.name] == []
    assert log(uri, files)
