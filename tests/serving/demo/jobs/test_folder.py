import json
import os
import time
from pathlib import Path

import pytest
from shelfsure.core.errors import OutputError
from shelfsure.serving.demo.jobs import folder as folder_module
from shelfsure.serving.demo.jobs.folder import JobFolder, JobStore


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs", keep_s=100.0, keep_bytes=10_000)


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("listing_id,title\n1,lamp\n", encoding="utf-8")
    return path


def aged(job: JobFolder, seconds: float) -> JobFolder:
    then = time.time() - seconds
    os.utime(job.path / "job.json", (then, then))
    return job


def test_new_keeps_what_was_given_though_the_upload_goes(store: JobStore, upload: Path) -> None:
    job = store.new({"kind": "batch", "duplicates": True}, {"table": upload, "photos": None})
    upload.unlink()
    assert store.find("batch", job.job_id) == job
    assert job.asked == {"kind": "batch", "duplicates": True}
    table = job.given("table")
    assert table is not None
    assert table.name == "t.csv"
    assert table.read_text(encoding="utf-8").endswith("1,lamp\n")
    assert job.given("photos") is None
    assert job.result is None
    assert time.time() < job.until


def test_new_leaves_nothing_where_it_fails(
    store: JobStore, upload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.os, "link", full)
    monkeypatch.setattr(folder_module.shutil, "copyfile", full)
    with pytest.raises(OutputError, match="disk is full"):
        store.new({"kind": "batch"}, {"table": upload})
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize("job_id", ["", "..", "../jobs", "x" * 32, "0" * 32, "a/b", "\0", "é" * 32])
def test_find_takes_any_text_for_an_id(store: JobStore, upload: Path, job_id: str) -> None:
    store.new({"kind": "batch"}, {"table": upload})
    assert store.find("batch", job_id) is None


def test_find_tells_kinds_apart(store: JobStore) -> None:
    job = store.new({"kind": "batch"}, {})
    assert store.find("evaluate", job.job_id) is None


def test_finishing_is_whole_or_not_there(store: JobStore, upload: Path) -> None:
    job = store.new({"kind": "batch"}, {"table": upload})
    (job.folder("photos") / "1.jpg").write_bytes(b"x")
    (job.fresh("cache") / "vectors").write_bytes(b"x")

    def fail() -> None:
        with job.finishing({"status": "half"}) as result:
            (result / "a.csv").write_text("a")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert job.result is None
    assert job.given("table") is not None
    with job.finishing({"status": "done", "n": 3}) as result:
        (result / "a.csv").write_text("a")
    assert job.result is not None
    assert (job.result / "a.csv").read_text() == "a"
    assert job.shown() == {"status": "done", "n": 3}
    assert sorted(path.name for path in job.path.iterdir()) == ["job.json", "photos", "result"]


def test_clear_goes_by_age_and_then_by_size(store: JobStore, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * 4_000)
    jobs = [aged(store.new({"kind": "batch"}, {"table": large}), n) for n in (200, 30, 20, 10)]
    store.clear()
    assert [job.path.exists() for job in jobs] == [False, False, True, True]
    [newest] = [store.new({"kind": "batch"}, {"table": large})]
    store.clear()
    assert [job.path.exists() for job in (*jobs[2:], newest)] == [False, True, True]


def test_clear_leaves_what_is_worked_on_and_takes_what_a_kill_left(store: JobStore) -> None:
    job = aged(store.new({"kind": "batch"}, {}), 200)
    left = store.root / f".{'0' * 32}.partial-01234567"
    left.mkdir()
    (left / "job.json").write_text(json.dumps({}))
    with job.working() as idle:
        assert idle
        with job.working() as again:
            assert not again
        store.clear()
        assert job.path.exists()
        assert not left.exists()
    store.clear()
    assert not job.path.exists()
