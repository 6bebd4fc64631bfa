"""A command line, with fake encoders or the starter's, a shop to write into, and a bundle."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import shelfsure.cli.main as cli
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline


class Outcome(NamedTuple):
    code: int
    out: str
    error: str


Run = Callable[..., Outcome]


@pytest.fixture
def run_starter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run a command line as the installed script does, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["shelfsure", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        code = exit_.value.code
        done = Outcome(code if isinstance(code, int) else 0, *capsys.readouterr())
        assert "Traceback" not in done.error
        return done

    return command


@pytest.fixture
def run(
    run_starter: Run, monkeypatch: pytest.MonkeyPatch, naming_embedder: Callable[..., Embedder]
) -> Run:
    """The same with encoders that need no weights; a title's words are all they know."""

    def load(_: object, options: RunOptions) -> Embedder:
        return replace(naming_embedder(), options=options)

    for module in ("pipeline.persistence", "pipeline.pipeline", "embedding.embedder"):
        monkeypatch.setattr(f"shelfsure.{module}.load_embedder", load)
    return run_starter


@pytest.fixture
def shop(drawn_shop: Path, tmp_path: Path) -> Path:
    """The drawn shop, to write into."""
    return Path(shutil.copytree(drawn_shop, tmp_path / "photos-and-list"))


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_trained: ListingPipeline,
) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    tiny_trained.save(folder)
    return folder


@pytest.fixture
def bundle(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "bundle"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB; only who may mount has one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
