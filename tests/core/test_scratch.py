import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from shelfsure.core import scratch
from shelfsure.core.errors import OutputError
from shelfsure.core.scratch import new_scratch_folder, scratch_folder

USING = """
import sys, time
from shelfsure.core.scratch import new_scratch_folder

(new_scratch_folder() / "photo.jpg").write_bytes(b"private")
print("there", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def using() -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", USING], text=True, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def photos(root: Path) -> list[Path]:
    return list(root.rglob("photo.jpg"))


def test_a_process_removes_its_folders_when_it_ends(root: Path) -> None:
    process = using()
    assert len(photos(root)) == 1
    process.communicate("\n", timeout=30)
    assert list(root.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")
def test_what_a_killed_process_left_goes_and_what_is_used_or_anothers_stays(root: Path) -> None:
    others = root / "shelfsure-scratch-of-my-own"
    others.mkdir()
    killed, alive = using(), using()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=30)
        assert len(photos(root)) == 2
        folder = new_scratch_folder()
        assert folder.is_dir()
        assert len(photos(root)) == 1
    finally:
        alive.communicate("\n", timeout=30)
    assert photos(root) == []
    assert others.is_dir()
    scratch._home.cache_clear()


def test_scratch_folder_goes_with_the_block(root: Path) -> None:
    def fail() -> None:
        with scratch_folder() as folder:
            (folder / "a").write_bytes(b"a")
            assert folder.parent.parent == root
            places.append(folder)
            raise KeyboardInterrupt

    places: list[Path] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not places[0].exists()


def test_an_error_about_a_scratch_folder_says_how_to_have_it_elsewhere(root: Path) -> None:
    def needs_room(scratch: bool) -> None:
        with scratch_folder() as folder:
            place = folder if scratch else Path("report")
            raise OutputError(f"{place} must be writable, but: the disk is full.")

    with pytest.raises(OutputError, match=r"^/\S+ must be writable.*full\. TMPDIR in the envir"):
        needs_room(scratch=True)
    with pytest.raises(OutputError, match=r"^report must be writable, but: the disk is full\.$"):
        needs_room(scratch=False)
    assert photos(root) == []
