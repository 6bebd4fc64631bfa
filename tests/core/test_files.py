import os
import stat
import sys
import threading
from pathlib import Path

import pytest
from shelfsure.core.files import atomic_path


def test_atomic_path_puts_the_new_file_into_place_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "report.csv"
    with atomic_path(path) as partial:
        assert partial.parent == path.parent
        assert partial.suffix == ".csv"
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


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
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE((tmp_path / "shared.json").stat().st_mode) == 0o640
