"""Whatever happens to a writer, the folder holds the index before the change or after it."""

import os
import random
import runpy
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from shelfsure.core.errors import IndexIncompleteError, IndexLockedError
from shelfsure.retrieval.index.change import writer_lock
from shelfsure.retrieval.index.store import ListingIndex

WRITER = Path(__file__).with_name("crashing_writer.py")
writer = SimpleNamespace(**runpy.run_path(str(WRITER)))
N_KILLS = int(os.environ.get("SHELFSURE_TEST_KILLS", "12"))


def verify_state(folder: Path) -> int:
    """Check that the index is one of the states that the writer passes through; its step."""
    index = ListingIndex.open(folder, writer.FINGERPRINTS)
    step = int(index.records(["counter"])["counter"].title)
    ids, wanted = set(index.ids()), set(writer.wanted_ids(step))
    assert ids in (wanted, wanted | set(writer.step_ids(step - writer.KEPT_STEPS)))
    asked = sorted(ids)
    for space, view in writer.views(asked).items():
        for key, found in zip(asked, index.search({space: view}, 1), strict=True):
            assert found[0].listing_id == key
            assert found[0].similarity == pytest.approx(1, abs=1e-5)
            assert found[0].title == (str(step) if key == "counter" else f"title of {key}")
    return step


def test_index_survives_kills_at_random_moments(
    tmp_path: Path, start_process: Callable[..., Any]
) -> None:
    moments = random.Random(7)
    reached = -1
    for _ in range(N_KILLS):
        process = start_process(WRITER.read_text(), tmp_path)
        printed = int(process.output.readline())
        time.sleep(moments.uniform(0, 0.25))
        process.kill()
        rest = process.output.read().split()
        process.wait()
        printed = int(rest[-1]) if rest else printed
        step = verify_state(tmp_path)
        assert step in (printed, printed + 1)
        assert step > reached  # nothing that was done is lost
        reached = step


class _CutOffError(BaseException):
    """The power goes."""


def _count_down(monkeypatch: pytest.MonkeyPatch, allowed: int) -> dict[str, int]:
    """Let so many operations on files pass, and fail the next."""
    left = {"n": allowed}
    for name in ("fsync", "replace", "unlink"):
        original = getattr(os, name)

        def counted(*args: object, _original: object = original, **named: object) -> object:
            if left["n"] == 0:
                raise _CutOffError
            left["n"] -= 1
            return _original(*args, **named)  # type: ignore[operator]

        monkeypatch.setattr(os, name, counted)
    return left


def test_each_change_is_whole_or_absent_at_every_operation_on_files(tmp_path: Path) -> None:
    ids, newer = ["a", "b", "c"], ["c", "d"]
    outcomes = set()
    for allowed in range(40):
        folder = tmp_path / str(allowed)
        ListingIndex.build(folder, writer.records(ids, 1), writer.views(ids), writer.FINGERPRINTS)
        with pytest.MonkeyPatch.context() as patch:
            left = _count_down(patch, allowed)
            with suppress(_CutOffError):
                ListingIndex.open(folder).add(writer.records(newer, 2), writer.views(newer))
            finished = left["n"] > 0
        after = sorted(ListingIndex.open(folder).ids())
        assert after in (["a", "b", "c"], ["a", "b", "c", "d"])
        outcomes.add((len(after), finished))
        # the next writer goes on, and clears away what was left
        index = ListingIndex.open(folder)
        index.add(writer.records(["e"], 3), writer.views(["e"]))
        assert sorted(index.ids()) == sorted({*after, "e"})
        assert _data_files(folder) == {*_manifest_files(index), "manifest.json"}
    assert outcomes == {(3, False), (4, False), (4, True)}


def _data_files(folder: Path) -> set[str]:
    return {
        path.name for path in folder.iterdir() if not path.name.startswith((".lock", ".writer"))
    }


def _manifest_files(index: ListingIndex) -> set[str]:
    return index._snapshot.manifest.file_names


def test_open_says_that_the_first_build_was_never_finished(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _count_down(patch, 2)
        with pytest.raises(_CutOffError):
            ListingIndex.build(
                tmp_path, writer.records(["a"], 1), writer.views(["a"]), writer.FINGERPRINTS
            )
    with pytest.raises(IndexIncompleteError, match=r"manifest\.json.*has none.*index build"):
        ListingIndex.open(tmp_path)


@pytest.fixture
def index(tmp_path: Path) -> ListingIndex:
    ids = [f"listing-{i}" for i in range(300)]
    return ListingIndex.build(
        tmp_path / "shop", writer.records(ids, 0), writer.views(ids), writer.FINGERPRINTS
    )


HOLDER = """
import sys, time; from pathlib import Path
from shelfsure.retrieval.index.change import writer_lock
with writer_lock(Path(sys.argv[1])):
    print('held', flush=True); time.sleep(60)
"""


@pytest.fixture
def holder(index: ListingIndex, start_process: Callable[..., Any]) -> Any:
    """Another process that holds the index for writing."""
    process = start_process(HOLDER, index.folder)
    assert process.output.readline() == "held\n"
    return process


def test_writer_lock_names_the_process_that_holds_it(index: ListingIndex, holder: Any) -> None:
    with pytest.raises(IndexLockedError, match=rf"shop.*process {holder.pid} is writing"):
        index.remove(["listing-0"])
    with pytest.raises(IndexLockedError, match=f"{holder.pid}"):
        ListingIndex.build(index.folder, [], writer.views([]), writer.FINGERPRINTS)
    assert len(ListingIndex.open(index.folder).ids()) == 300  # readers go on


def test_writer_lock_of_a_killed_process_blocks_nobody(index: ListingIndex, holder: Any) -> None:
    holder.kill()
    holder.wait()
    assert index.remove(["listing-0"]) == 1


def test_writer_lock_holds_between_threads(index: ListingIndex) -> None:
    refused = []

    def attempt() -> None:
        try:
            index.remove(["listing-0"])
        except IndexLockedError as error:
            refused.append(str(error))

    with writer_lock(index.folder):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert f"process {os.getpid()} is writing" in refused[0]


def test_two_writers_that_take_turns_lose_nothing(index: ListingIndex) -> None:
    def add(prefix: str) -> None:
        own = ListingIndex.open(index.folder)
        for i in range(8):
            ids = [f"{prefix}-{i}"]
            while True:
                try:
                    own.add(writer.records(ids, 0), writer.views(ids))
                    break
                except IndexLockedError:
                    time.sleep(0.002)

    threads = [threading.Thread(target=add, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.refresh()
    added = {f"{prefix}-{i}" for prefix in "ab" for i in range(8)}
    assert set(index.ids()) == {f"listing-{i}" for i in range(300)} | added


def test_reader_keeps_its_state_while_others_change_the_index(index: ListingIndex) -> None:
    reader = ListingIndex.open(index.folder)
    queries = writer.views(["listing-3", "listing-200"])
    before = reader.search(queries, 5)
    index.remove(["listing-3"])
    index.rebuild("ivf")
    ListingIndex.build(
        index.folder, writer.records(["z"], 0), writer.views(["z"]), writer.FINGERPRINTS
    )
    assert reader.search(queries, 5) == before
    assert len(reader.ids()) == 300
    reader.refresh()
    assert reader.ids() == ["z"]


def test_open_succeeds_at_any_moment_of_another_s_changes(index: ListingIndex) -> None:
    done = threading.Event()
    seen, failures = set(), []

    def read() -> None:
        while not done.is_set():
            try:
                opened = ListingIndex.open(index.folder)
                assert opened.search(writer.views(["listing-7"]), 1)[0][0].listing_id == "listing-7"
                seen.add(opened.info().generation)
            except Exception as error:  # noqa: BLE001 - any failure fails the test
                failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for step in range(15):
        index.add(writer.records([f"new-{step}"], 0), writer.views([f"new-{step}"]))
        if step % 5 == 4:
            index.rebuild("ivf" if step % 2 else "exact")
    done.set()
    thread.join()
    assert not failures
    assert len(seen) > 2
