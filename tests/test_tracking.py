import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.errors import TrackingError
from shelfsure.tracking import OFF, flatten, log_run

# MLflow's models use a loader strategy that the newest SQLAlchemy warns of
pytestmark = pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")

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
    assert {item.path for item in client.list_artifacts(run_id)} == {"index.html", "plots"}
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


def test_log_run_logs_nothing_where_it_is_off(files: Path) -> None:
    before = sorted(files.parent.rglob("*"))
    assert log(OFF, files) == ""
    assert sorted(files.parent.rglob("*")) == before


def test_tracking_leaves_mlflow_alone_until_it_is_needed() -> None:
    code = "import sys, shelfsure.tracking as t; assert 'mlflow' not in sys.modules"
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
