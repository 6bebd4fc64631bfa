"""An exploration's files."""

import base64
import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from shelfsure.core.tracking import reaching
from shelfsure.exploration.maps.mlflow_log import log_exploration
from shelfsure.exploration.maps.page import MISSING, points, render_page
from shelfsure.exploration.maps.report import EXPLORATION, write_exploration


@pytest.fixture(scope="module")
def report(tiny_exploration, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    write_exploration(tiny_exploration, out, header={"catalogue": "<tiny>"})
    return out


def test_all_files_are_there_and_known_as_ours(report) -> None:
    names = {"report.html", "families.csv", "categories.csv", "explore.json", "map.parquet"}
    assert {path.name for path in report.iterdir()} == names
    assert EXPLORATION.owned(report) == names


def test_tables_say_what_was_found(report, tiny_exploration) -> None:
    with (report / "families.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    one = next(each for each in tiny_exploration.looks if each.name == "colour")
    assert float(rows["colour"]["kmeans_ari"]) == one.kmeans.ari
    assert float(rows["colour"]["map_silhouette"]) == one.map_silhouette
    told = json.loads((report / "explore.json").read_text())
    assert [each["name"] for each in told["families"]] == list(rows)
    assert told["n_listings"] == 62
    assert told["imbalance"][0] == 10


def test_points_open_elsewhere_with_what_a_map_needs(report, tiny_exploration) -> None:
    table = pq.read_table(report / "map.parquet")
    assert table.num_rows == 62
    assert {name: str(table.schema.field(name).type) for name in ("x", "y", "title", "id")} == {
        "x": "float", "y": "float", "title": "string", "id": "string",
    }  # fmt: skip
    best = next(e for e in tiny_exploration.looks if e.name == tiny_exploration.best[0])
    placed = [value if np.isfinite(value) else None for value in best.maps["tsne"][:, 0].tolist()]
    assert table["x"].to_pylist() == placed


def test_packed_points_are_those_of_the_map(tiny_exploration) -> None:
    packed = points(tiny_exploration, list(tiny_exploration.looks))
    one = next(each for each in tiny_exploration.looks if each.name == "photo-encoder")
    raw = base64.b64decode(packed["families"]["photo-encoder"]["maps"]["tsne"])
    xy = np.frombuffer(raw, "<u2").reshape(-1, 2).astype(float)
    there = np.isfinite(one.maps["tsne"][:, 0])
    assert (xy[~there] == MISSING).all()
    assert xy[there].max() == 60_000
    flat = one.maps["tsne"][there]
    scaled = (flat - flat.min(axis=0)) / np.ptp(flat, axis=0).max() * 60_000
    assert xy[there] == pytest.approx(scaled, abs=0.51)


def test_the_page_needs_no_network_and_shows_names_as_text(report) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "&lt;tiny&gt;" in page
    assert "default-src 'none'" in page
    assert "<script src" not in page
    assert "<link" not in page


def test_a_page_without_maps_runs_no_script(tiny_exploration) -> None:
    looks = tuple(replace(one, maps={}) for one in tiny_exploration.looks)
    page = render_page(replace(tiny_exploration, looks=looks), {})
    assert "script-src 'none'" in page
    assert "<script" not in page


@pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")
def test_runs_are_children_of_one(report, tiny_exploration, tmp_path, tiny_folder) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    found = replace(tiny_exploration, looks=tiny_exploration.looks[:2])
    parent = log_exploration(uri, found, report, tiny_folder / "catalogue.csv")
    assert log_exploration("none", tiny_exploration, report, tiny_folder) == ""
    with reaching(uri, ""):
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        [experiment] = [e for e in client.search_experiments() if e.name == "shelfsure-explore"]
        runs = client.search_runs([experiment.experiment_id])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    assert {run.info.run_name for run in children} == {one.name for one in found.looks}
    assert len(runs) == len(children) + 1
