"""A full disk or a read-only folder: one clear line, what was there whole, nothing left behind."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.errors import OutputError
from shelfsure.core.files import atomic_files, atomic_folder, atomic_path
from shelfsure.core.kinds import FolderKind
from shelfsure.pipeline.bundle import open_bundle
from shelfsure.retrieval.index.store import ListingIndex

Run = Callable[..., Any]
FREE = 4096
COMMANDS = {
    "split": ("split", "{shop}", "--out", "{out}/parts"),
    "predict": ("predict", "{bundle}", "{shop}", "--out", "{out}/parts/verdicts.jsonl"),
    "evaluate": ("evaluate", "{bundle}", "{shop}", "--out", "{out}/report", "--mlflow", "none"),
    "duplicates": ("duplicates", "{shop}", "--out", "{out}/found"),
    "index build": ("index", "build", "{shop}", "--out", "{out}/index"),
    "train": ("train", "{shop}", "--out", "{out}/shop", "--overwrite", "--mlflow", "none"),
    "sample": ("sample", "{out}/sample"),
    "taxonomy add": ("taxonomy", "add", "{out}/shop", "Garden > Gnomes"),
}
WITH_AN_INDEX = {
    "index add": ("index", "add", "{out}/index", "{shop}"),
    "index rebuild": ("index", "rebuild", "{out}/index", "--kind", "exact"),
    "index build": COMMANDS["index build"],
}


def fill(disk: Path) -> None:
    """Leave next to nothing."""
    with (disk / "filler").open("wb") as file:
        free = shutil.disk_usage(disk).free
        file.write(bytes(free - FREE))


def everything(folder: Path) -> dict[str, Any]:
    return {
        path.relative_to(folder).as_posix(): path.is_file() and path.stat().st_mtime_ns
        for path in folder.rglob("*")
    }


def arguments(command: tuple[str, ...], out: Path, bundle: Path, shop: Path) -> list[str]:
    given = {"out": str(out), "bundle": str(bundle), "shop": str(shop / "catalogue.csv")}
    return [each.format(**given) for each in command]


def fails(done: Any, *said: str) -> None:
    assert done.code == 1, done
    assert "Traceback" not in done.error
    assert "Error: " in done.error
    for each in said:
        assert each in done.error


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("why", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_one_line(
    run: Run, bundle: Path, shop: Path, small_disk: Path, command: str, why: str
) -> None:
    if command == "taxonomy add":  # of one that knows categories by name
        bundle = small_disk.parent / "named"
        done = run("train", shop / "catalogue.csv", "--out", bundle, "--mlflow", "none")
        assert done.code == 0, done.error
    if "{out}/shop" in COMMANDS[command]:
        shutil.copytree(bundle, small_disk / "shop")
    if why == "full":
        fill(small_disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = everything(small_disk)
    done = run(*arguments(COMMANDS[command], small_disk, bundle, shop))
    fails(done, str(small_disk), "untouched", "full" if why == "full" else "Read-only")
    assert everything(small_disk) == before
    if "shop" in before:
        open_bundle(small_disk / "shop")


@pytest.mark.parametrize("command", WITH_AN_INDEX)
@pytest.mark.parametrize("why", ["full", "read-only"])
def test_an_index_on_a_disk_that_takes_nothing_stays(
    run: Run, bundle: Path, shop: Path, small_disk: Path, command: str, why: str
) -> None:
    index = small_disk / "index"
    assert run("index", "build", shop / "catalogue.csv", "--out", index).code == 0
    if why == "full":
        fill(small_disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = everything(small_disk)
    done = run(*arguments(WITH_AN_INDEX[command], small_disk, bundle, shop))
    fails(done, str(index), "full" if why == "full" else "Read-only")
    assert everything(small_disk) == before
    assert len(ListingIndex.open(index).ids()) == 44


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_below_a_file_is_one_line(
    run: Run, bundle: Path, shop: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "out").write_text("a file")
    before = everything(tmp_path)
    fails(run(*arguments(COMMANDS[command], tmp_path / "out", bundle, shop)), str(tmp_path / "out"))
    assert everything(tmp_path) == before


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "taxonomy add"])
def test_a_name_too_long_is_one_line(
    run: Run, bundle: Path, shop: Path, tmp_path: Path, command: str
) -> None:
    before = everything(tmp_path)
    long = tmp_path / ("n" * 300)
    fails(run(*arguments(COMMANDS[command], long, bundle, shop)), "nnn", "File name too long")
    assert everything(tmp_path) == before
    said = run("predict", "b" * 300, shop / "catalogue.csv", "--out", "v.csv")
    fails(said, "bbb")
    fails(run("index", "info", "i" * 300), "iii")
    fails(run("split", "c" * 300 + ".csv", "--out", "parts"), "ccc")


def no_room(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("kind", ["file", "files", "folder"])
def test_what_no_room_is_left_for_goes(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "above" / "out"
    opened: dict[str, Any] = {
        "file": lambda: atomic_path(out),
        "files": lambda: atomic_files(out),
        "folder": lambda: atomic_folder(out, FolderKind("a box")),
    }

    def write() -> None:
        with opened[kind]() as partial:
            folder = partial.parent if kind == "file" else partial
            (folder / "half").write_bytes(bytes(3_000_000))
            no_room()

    with pytest.raises(
        OutputError, match=rf"{out} must be writable.*full: more than [\d,.]+ MB are"
    ):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_what_is_read_isnt_called_one_of_the_output(tmp_path: Path) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/photo.jpg")
    with pytest.raises(PermissionError, match="photo"), atomic_path(tmp_path / "out"):
        raise denied


LEAVE = """
import os, signal, sys
from pathlib import Path
from shelfsure.core.files import atomic_path

with atomic_path(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_what_a_killed_run_left_goes_with_the_next(
    tmp_path: Path, start_process: Callable[..., Any]
) -> None:
    out = tmp_path / "verdicts.csv"
    assert start_process(LEAVE, out).wait() < 0
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_path(out) as mine, atomic_path(out) as other:
        assert len(list(tmp_path.iterdir())) == 2  # those of the living stay
        other.write_text("other")
        mine.write_text("mine")
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.csv"]


def test_cache_clear_frees_a_full_disk(
    run: Run, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(small_disk))
    vectors = {f"{n}": np.ones(1000, np.float32) for n in range(300)}
    EmbeddingCache().write("encoder", vectors)
    with (small_disk / "filler").open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free))
    assert shutil.disk_usage(small_disk).free == 0
    done = run("cache", "clear")
    assert (done.code, done.out) == (0, "300 vectors removed.\n"), done.error
    assert shutil.disk_usage(small_disk).free > 1_000_000


def test_a_cache_on_a_full_disk_is_one_line(
    run: Run, shop: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(small_disk))
    fill(small_disk)
    done = run("split", shop / "catalogue.csv", "--out", "parts")
    fails(done, "embedding cache", "--no-cache")
    assert not Path("parts").exists()


@pytest.mark.parametrize("part", ["manifest.json", ".lock", "records.sqlite", "photo.faiss"])
def test_an_index_part_that_is_a_folder_is_one_line(run: Run, shop: Path, part: str) -> None:
    assert run("index", "build", shop / "catalogue.csv", "--out", "index").code == 0
    (path,) = Path("index").glob(f"*{part}")
    path.unlink()
    path.mkdir()
    fails(run("index", "add", "index", shop / "catalogue.csv"), "index")
    if part != ".lock":
        fails(run("index", "search", "index", "--title", "lamp"), "index")


def test_index_search_finds_all_where_more_is_asked(run: Run, shop: Path) -> None:
    assert run("index", "build", shop / "catalogue.csv", "--out", "index").code == 0
    done = run("index", "search", "index", "--title", "lamps", "-k", "1000000000")
    assert done.code == 0, done.error
    assert sum(f"s{n:02d}" in done.out for n in range(44)) == 44


def test_vectors_of_a_wrong_length_are_embedded_anew(
    run: Run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3
    from contextlib import closing

    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(tmp_path / "cache"))
    assert run("index", "build", shop / "catalogue.csv", "--out", "first").code == 0
    with closing(sqlite3.connect(tmp_path / "cache/embeddings.sqlite")) as db, db:
        for number, blob in enumerate((bytes(7), bytes(8), b"", b"\x00\x00\xc0\x7f" * 48)):
            db.execute("UPDATE embeddings SET vector = ? WHERE rowid % 4 = ?", (blob, number))
    assert run("index", "build", shop / "catalogue.csv", "--out", "second").code == 0
    first, second = (ListingIndex.open(name).contents() for name in ("first", "second"))
    for space, view in first.views.items():
        assert (view.array == second.views[space].array).all()
