"""What REST and `predict` judge lands in the log, and answers don't wait for it."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.monitoring.log_folder import LogFolder
from shelfsure.monitoring.log_rows import vectors_of
from shelfsure.monitoring.verdict_log import VerdictLog
from shelfsure.pipeline.batch import judge_alone
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.service import Service


def test_rest_logs_what_it_judged_but_not_what_somebody_tries_out(
    tiny_trained: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    photo = (tiny_folder / "photos/0.png").read_bytes()
    with (
        VerdictLog(folder) as log,
        Service(lambda: tiny_trained, verdict_log=log) as service,
    ):
        assert service.pipeline is tiny_trained
        client = TestClient(create_app(service))
        fields = {"listing_id": "x", "title": "lamp", "group": "ann"}
        answer = client.post(
            "/v1/verdict", json=fields | {"photo": base64.b64encode(photo).decode()}
        )
        items = [{"listing_id": "y", "title": "lamp"}, {"listing_id": "bad"}]
        assert client.post("/v1/verdicts", json={"listings": items}).status_code == 200
        service.judge(Listing("tried", "lamp"), watched=False)
    rows = folder.newest(100)
    said = answer.json()
    assert rows["listing_id"].to_pylist() == ["x", "y", "bad"]
    first, second, third = rows.to_pylist()
    assert (first["group"], first["decision"], first["category"], first["probability"]) == (
        *("ann", said["decision"], said["category"]),
        said["probability"],
    )
    assert first["ood_p_value"] == said["ood_p_value"]
    assert first["quality"] == [each["flag"] for each in said["quality"]]
    assert (second["missing"], third["missing"]) == (["photo"], ["photo", "title"])
    assert third["decision"] == "rejected"
    assert all(row["title"] is None for row in (first, second, third))
    [expected] = [tiny_trained.embedder.embed([Listing("x", "lamp", photo)])]
    assert vectors_of(rows, "photo").features[0] == pytest.approx(expected.photo.array[0], abs=1e-3)


def test_a_log_that_fails_fails_no_answer(
    tiny_trained: ListingPipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no row today")

    monkeypatch.setattr(VerdictLog, "add", broken)
    with (
        VerdictLog(LogFolder.create(tmp_path / "log")) as log,
        Service(lambda: tiny_trained, verdict_log=log) as service,
    ):
        assert service.judge(Listing("x", "lamp")).listing_id == "x"
    assert "1 verdicts couldn't be logged" in caplog.text


def test_handing_over_16_listings_takes_a_few_milliseconds_at_most(
    judged: Callable[..., Any], tmp_path: Path
) -> None:
    with VerdictLog(LogFolder.create(tmp_path / "log")) as log:
        batch = judged(16)
        log.add(*batch)
        took_s = []
        for _ in range(50):
            start = time.perf_counter()
            log.add(*batch)
            took_s.append(time.perf_counter() - start)
    assert sorted(took_s)[25] < 0.01


def test_predict_logs_each_listings_own_verdict(
    tiny_trained: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = LogFolder.create(tmp_path / "log")
    catalog = read_catalog(tiny_folder / "catalogue.csv")
    with VerdictLog(folder, keep_titles=True) as log:
        rows = judge_alone(tiny_trained, catalog, duplicates=False, on_judged=log.add)
    usable = [row for row in rows if row.row in catalog.rows]  # or reading has set it aside
    kept = folder.newest(10_000)
    assert len(usable) > 20
    assert kept["listing_id"].to_pylist() == [row.verdict.listing_id for row in usable]
    assert kept["title"].to_pylist() == [row.title for row in usable]
    assert kept["decision"].to_pylist() == [row.verdict.decision for row in usable]
    assert sum(pq.read_metadata(path).num_rows for path in folder.files()) == len(usable)
