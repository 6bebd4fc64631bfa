"""Killed at any moment and resumed, shared by processes: the file is the undisturbed one's."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.core.errors import ConfigError
from shelfsure.pipeline.verdict import Verdict
from shelfsure.pipeline.verdict_file import JudgedRow
from shelfsure.pipeline.verdict_parts import Shard, VerdictParts, fingerprint

N_ROWS = 30_000

JUDGE = """
import sys
from pathlib import Path
from shelfsure.catalog.catalog_file import CatalogFile
from shelfsure.pipeline.judged_file import join, judge_parts
from shelfsure.pipeline.verdict import Verdict
from shelfsure.pipeline.verdict_parts import Shard, VerdictParts

class Pipeline:
    version = "abc"

    def predict(self, listings, **_):
        return [
            Verdict(listing_id=one.listing_id, decision="review", reasons=(one.title[::-1],))
            for one in listings
        ]

source, out, shard = Path(sys.argv[1]), Path(sys.argv[2]), Shard.parse(sys.argv[3])
parts = VerdictParts(out, {"file": "one"}, shard)
with parts.opened(resume=True):
    print("begun", flush=True)
    n_parts = judge_parts(Pipeline(), CatalogFile(source), parts)
    with parts.joining(n_parts) as complete:
        if complete:
            join(out, parts.read(n_parts), 0.0, source)
            parts.remove()
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.csv"
    draw = random.Random(8)
    with path.open("w") as file:
        file.write("id,title\n")
        file.writelines(
            f"n{draw.randrange(2 * N_ROWS)},mug number {row}\n" for row in range(N_ROWS)
        )
    return path


@pytest.fixture
def undisturbed(source: Path, tmp_path: Path, start_process: Callable[..., Any]) -> bytes:
    out = tmp_path / "undisturbed.jsonl"
    assert start_process(JUDGE, source, out, "1/1").wait() == 0
    assert out.read_text().count("duplicate id") > 1000
    assert out.read_text().count("\n") == N_ROWS
    return out.read_bytes()


def test_a_run_killed_again_and_again_ends_as_an_undisturbed_one(
    source: Path, tmp_path: Path, start_process: Callable[..., Any], undisturbed: bytes
) -> None:
    out = tmp_path / "v.jsonl"
    draw, n_killed = random.Random(3), 0
    for _ in range(10):
        process = start_process(JUDGE, source, out, "1/1")
        assert process.output.readline() == "begun\n"
        time.sleep(draw.uniform(0.02, 0.4))
        process.kill()
        n_killed += process.wait() == -signal.SIGKILL
    assert n_killed >= 3
    assert start_process(JUDGE, source, out, "1/1").wait() == 0
    assert out.read_bytes() == undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["undisturbed.jsonl", "v.jsonl"]


def test_two_processes_share_a_file(
    source: Path, tmp_path: Path, start_process: Callable[..., Any], undisturbed: bytes
) -> None:
    out = tmp_path / "v.jsonl"
    both = [start_process(JUDGE, source, out, f"{number}/2") for number in (1, 2)]
    assert [process.wait() for process in both] == [0, 0]
    assert out.read_bytes() == undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["undisturbed.jsonl", "v.jsonl"]


@pytest.mark.skipif(os.name != "posix", reason="locks")
def test_parts_that_are_being_made_arent_made_twice(tmp_path: Path) -> None:
    out = tmp_path / "v.csv"
    with VerdictParts(out, {}).opened(resume=False):
        with (
            pytest.raises(ConfigError, match="is being made by another process"),
            VerdictParts(out, {}).opened(resume=True),
        ):
            pass
        assert VerdictParts(out, {}).folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_read_gives_rows_back_in_order(tmp_path: Path) -> None:
    rows = [
        JudgedRow(row=n, title=title, verdict=Verdict(listing_id=f"é{n}", decision="review"))
        for n, title in enumerate(["a\u2028b", None, 'q"\n', "кружка"], start=1)
    ]
    parts = VerdictParts(tmp_path / "new" / "v.csv", {"a": (1, 2)})
    with parts.opened(resume=False):
        parts.write(1, rows[2:])
        parts.write(0, rows[:2])
        assert parts.there() == [0, 1]
        assert list(parts.read(2)) == rows
        with parts.joining(3) as complete:
            assert not complete
    with VerdictParts(tmp_path / "new" / "v.csv", {"a": [1, 2]}).opened(resume=True):
        parts.remove()
    assert not parts.folder.exists()


def test_shards_have_each_part_once() -> None:
    shards = [Shard.parse(f"{n}/4") for n in range(1, 5)]
    assert [str(shard) for shard in shards] == ["1/4", "2/4", "3/4", "4/4"]
    for part in range(20):
        assert [shard.number for shard in shards if shard.has(part)] == [part % 4 + 1]


def test_fingerprint_tells_files_and_folders_apart(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("one")
    (tmp_path / "b.csv").write_text("one")
    same = fingerprint(tmp_path / "a.csv")
    assert fingerprint(tmp_path / "b.csv") == same
    os.utime(tmp_path / "b.csv", (1, 1))
    assert fingerprint(tmp_path / "b.csv") == same
    folder = fingerprint(tmp_path)
    (tmp_path / "b.csv").write_text("two")
    assert fingerprint(tmp_path / "b.csv") != same
    assert fingerprint(tmp_path) != folder
