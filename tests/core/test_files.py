import hashlib
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from shelfsure.core.errors import CacheError, ConfigError
from shelfsure.core.files import (
    atomic_folder,
    atomic_path,
    json_text,
    require_free_folder,
    sha256_of_file,
    write_text,
)
from shelfsure.core.kinds import FolderKind


def test_atomic_path_puts_the_new_file_into_place_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "report.csv"
    with atomic_path(path) as partial:
        assert partial.parent.parent == path.parent
        assert partial.suffix == ".csv"
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_write_text_writes_what_utf_8_can_hold_as_it_stands(tmp_path: Path) -> None:
    write_text(tmp_path / "a.html", "Café\r\n\ud83d half\n")
    assert (tmp_path / "a.html").read_bytes() == "Café\r\n? half\n".encode()
    assert list(tmp_path.iterdir()) == [tmp_path / "a.html"]


def test_json_text_is_json_as_the_standard_has_it() -> None:
    assert json_text({"a": [1, "\ud83d"]}) == '{\n  "a": [\n    1,\n    "\\ud83d"\n  ]\n}\n'
    with pytest.raises(ValueError, match="nan"):
        json_text({"a": float("nan")})


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", ["old", None])
def test_atomic_path_keeps_the_old_file_where_writing_fails(
    tmp_path: Path, error: type[BaseException], old: str | None
) -> None:
    path = tmp_path / "model.json"
    if old:
        path.write_text(old)

    def write() -> None:
        with atomic_path(path) as partial:
            partial.write_text("half of the n")
            raise error

    with pytest.raises(error):
        write()
    assert (path.read_text() if path.exists() else None) == old
    assert list(tmp_path.iterdir()) == ([path] if old else [])


def test_atomic_path_shows_readers_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text("old")
    with atomic_path(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_atomic_path_fails_where_the_block_took_the_file_away(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(path) as partial:
        partial.unlink()
    assert path.read_text() == "old"


def test_atomic_path_serves_writers_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    contents = [str(i) * 100_000 for i in range(8)]
    ready = threading.Barrier(len(contents))

    def write(content: str) -> None:
        with atomic_path(path) as partial:
            ready.wait(timeout=10)
            partial.write_text(content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in contents
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_atomic_path_gives_the_permissions_of_an_ordinary_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "shared.json") as partial:
            partial.write_text("{}")
            partial.chmod(0o600)  # as safetensors does
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE((tmp_path / "shared.json").stat().st_mode) == 0o640


def everything(folder: Path) -> list[str] | None:
    """All that is in a box belongs to it."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    return names if "box.txt" in names else None


BOX = FolderKind("a box", everything)


def fill(out: Path, text: str, **more: Any) -> None:
    with atomic_folder(out, BOX, **more) as partial:
        (partial / "inner").mkdir()
        (partial / "inner/more.txt").write_text(text)
        (partial / "box.txt").write_text(text)


def assert_only(out: Path, text: str) -> None:
    """One whole folder, and nothing beside it."""
    assert list(out.parent.iterdir()) == [out]
    assert sorted(path.name for path in out.iterdir()) == ["box.txt", "inner"]
    assert (out / "box.txt").read_text() == (out / "inner/more.txt").read_text() == text


def test_atomic_folder_shows_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "above" / "out"
    with atomic_folder(out, BOX) as partial:
        assert partial.parent == out.parent
        (partial / "box.txt").write_text("first")
        assert not out.exists()
    with atomic_folder(out, BOX, replace=True) as partial:
        (partial / "box.txt").write_text("second")
        assert (out / "box.txt").read_text() == "first"
    assert [path.read_text() for path in out.parent.rglob("*.*")] == ["second"]


def test_atomic_folder_fills_an_empty_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    fill(out, "new")
    assert_only(out, "new")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [True, False])
def test_atomic_folder_keeps_the_old_one_where_filling_fails(
    tmp_path: Path, error: type[BaseException], old: bool
) -> None:
    out = tmp_path / "out"
    if old:
        fill(out, "old")

    def write() -> None:
        with atomic_folder(out, BOX, replace=True) as partial:
            (partial / "box.txt").write_text("half of the n")
            raise error

    with pytest.raises(error):
        write()
    if old:
        assert_only(out, "old")
    else:
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failing", [1, 2])
def test_atomic_folder_keeps_the_old_one_where_a_rename_fails(
    tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename, calls = tmp_path / "out", Path.rename, []
    fill(out, "old")

    def fail(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == failing:
            raise OSError("no rename today")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no rename today"):
        fill(out, "new", replace=True)
    assert_only(out, "old")


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from shelfsure.core.files import atomic_folder
from shelfsure.core.kinds import FolderKind

def everything(folder):
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*")]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

rename, moments = Path.rename, sys.argv[2].split()
def then_die(*arguments):
    moment = moments.pop(0)
    return die() if moment == "die" else rename(*arguments)

Path.rename = then_die
shutil.rmtree = die
with atomic_folder(Path(sys.argv[1]), FolderKind("a box", everything), replace=True) as partial:
    (partial / "inner").mkdir()
    (partial / "box.txt").write_text("new")
    if not moments:
        die()
    (partial / "inner/more.txt").write_text("new")
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize(
    ("moments", "left"),
    [
        ("", "old"),  # half filled
        ("die", "old"),  # the old one is in place
        ("go die", "old"),  # neither is
        ("go go die", "new"),
        ("go go go", "new"),  # the old one is about to go
    ],
)
def test_atomic_folder_brings_back_a_whole_one_after_a_kill(
    tmp_path: Path, moments: str, left: str, replace: bool, start_process: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    fill(out, "old")
    assert start_process(KILLED, out, moments).wait() == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    if not out.exists():
        out.mkdir()  # as a script does that wants to be sure of it
    with pytest.raises((RuntimeError, ConfigError)), atomic_folder(out, BOX, replace=replace):
        raise RuntimeError
    assert_only(out, left)
    fill(out, "next", replace=True)
    assert_only(out, "next")


@pytest.mark.skipif(os.name != "posix", reason="folders can't be locked")
def test_atomic_folder_leaves_the_work_of_others_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    foreign = [".out.partial-mine", ".out.partial-12345678.txt", ".outer.partial-12345678"]
    for name in foreign:
        (tmp_path / name).mkdir()
    with atomic_folder(out, BOX, replace=True) as partial:
        (partial / "box.txt").write_text("slow")
        fill(out, "fast", replace=True)
        assert (out / "box.txt").read_text() == "fast"
    assert [path.read_text() for path in out.iterdir()] == ["slow"]
    assert {path.name for path in tmp_path.iterdir()} == {"out", *foreign}


def test_atomic_folder_refuses_what_came_while_it_was_filled(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="already holds a box"), atomic_folder(out, BOX):
        fill(out, "faster")
    assert_only(out, "faster")
    with (
        pytest.raises(ConfigError, match="something else"),
        atomic_folder(out, BOX, replace=True),
    ):
        (out / "box.txt").rename(out / "precious.txt")
    assert (out / "precious.txt").read_text() == "faster"
    assert list(tmp_path.iterdir()) == [out]


def test_require_free_folder_looks_while_nobody_exchanges(tmp_path: Path) -> None:
    out, looking = tmp_path / "out", threading.Event()
    fill(out, "old")

    def slowly(folder: Path) -> list[str] | None:
        before = folder.stat().st_ino
        looking.set()
        time.sleep(0.2)  # enough for another to put its folder there
        assert folder.stat().st_ino == before
        return everything(folder)

    def write() -> None:
        looking.wait(10)
        fill(out, "new", replace=True)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        require_free_folder(out, FolderKind("a box", slowly), replace=True)
        writer.result()
    assert_only(out, "new")


def test_atomic_folder_serves_writers_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, is_file = tmp_path / "out", Path.is_file

    def look(path: Path) -> bool:
        time.sleep(0.002)  # enough for another to put its folder there
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", look)
    fill(out, "0")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: fill(out, str(number), replace=True), range(40)))
    assert_only(out, (out / "box.txt").read_text())


def test_atomic_folder_fills_what_a_link_leads_to(tmp_path: Path) -> None:
    out, link = tmp_path / "place" / "out", tmp_path / "latest"
    fill(out, "old")
    link.symlink_to(out)
    fill(link, "new", replace=True)
    assert link.is_symlink()
    assert_only(out, "new")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_atomic_folder_gives_the_permissions_of_ordinary_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_folder(tmp_path / "out", BOX) as partial:
            (partial / "inner").mkdir(0o700)
            for name in ("weights.safetensors", "inner/run.sh"):
                (partial / name).touch()
            (partial / "weights.safetensors").chmod(0o400)
            (partial / "inner/run.sh").chmod(0o777)
    finally:
        assert os.umask(before) == 0o027
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "out", *(tmp_path / "out").rglob("*"))
    }
    files = {"weights.safetensors": 0o640, "run.sh": 0o640}
    assert modes == {"out": 0o750, "inner": 0o750, **files}


def test_require_free_folder_takes_new_and_empty_ones_and_its_own(tmp_path: Path) -> None:
    require_free_folder(tmp_path / "far/away/new", BOX)
    require_free_folder(tmp_path, BOX)
    (tmp_path / "box.txt").touch()
    require_free_folder(tmp_path, BOX, replace=True)
    with pytest.raises(ConfigError, match=f"{tmp_path} already holds a box. Pass --overwrite"):
        require_free_folder(tmp_path, BOX)


@pytest.mark.parametrize("kind", [BOX, FolderKind("a box"), FolderKind("a box", error=CacheError)])
def test_require_free_folder_never_lets_something_else_be_replaced(
    tmp_path: Path, kind: FolderKind
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").touch()
    said = f"A box is written to a new or empty folder, but {tmp_path} holds .*file, mine.*Name"
    with pytest.raises(kind.error, match=said):
        require_free_folder(tmp_path, kind, replace=True)
    with pytest.raises(kind.error, match="a file"):
        require_free_folder(tmp_path / "file", kind, replace=True)


def test_sha256_of_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert sha256_of_file(tmp_path / "a") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


@pytest.mark.parametrize("failing", [None, OSError, NotImplementedError])
def test_atomic_folder_takes_along_what_isnt_its_own_whatever_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: type[Exception] | None
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise failing("no hard links here")  # type: ignore[misc]

    out, box = tmp_path / "out", FolderKind("a box", lambda _: {"box.txt"})
    (out / "notes").mkdir(parents=True)
    (out / "box.txt").write_text("old")
    (out / "notes" / "mine.txt").write_text("precious")
    (out / "link").symlink_to("notes/mine.txt")
    if failing:
        monkeypatch.setattr(os, "link", refuse)
    with atomic_folder(out, box, replace=True) as partial:
        (partial / "box.txt").write_text("new")
    assert (out / "box.txt").read_text() == "new"
    assert (out / "notes" / "mine.txt").read_text() == "precious"
    assert (out / "link").readlink() == Path("notes/mine.txt")
    assert list(tmp_path.iterdir()) == [out]
