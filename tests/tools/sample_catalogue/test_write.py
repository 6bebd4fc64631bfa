"""The zip that is drawn, and the one that ships: they must not drift apart."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tools.sample_catalogue.write as write
from PIL import Image
from shelfsure.catalog.sample import SAMPLE_SEED, SAMPLE_ZIP
from tools.sample_catalogue.__main__ import main
from tools.sample_catalogue.photos import EDITS, Photo, develop
from tools.sample_catalogue.write import plan_sample

from tools.sample_catalogue import write_sample_zip

REDRAW = "the shipped zip isn't what the drawing code draws: run `make sample`"


@pytest.fixture(scope="module")
def shipped() -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(SAMPLE_ZIP) as archive:
        yield archive


@pytest.fixture(scope="module")
def planned() -> tuple[dict[str, str], dict[str, Photo]]:
    return plan_sample(SAMPLE_SEED, 40)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "develop", lambda photo: repr(photo).encode())


def test_shipped_zip_holds_what_is_planned(
    shipped: zipfile.ZipFile, planned: tuple[dict[str, str], dict[str, Photo]]
) -> None:
    texts, photos = planned
    assert sorted(shipped.namelist()) == sorted([*texts, *photos]), REDRAW
    for name, text in texts.items():
        assert shipped.read(name).decode("utf-8") == text, REDRAW


def test_shipped_photos_are_those_that_are_drawn(
    shipped: zipfile.ZipFile, planned: tuple[dict[str, str], dict[str, Photo]]
) -> None:
    """One photo a subject and one an edit; other versions of Pillow may round otherwise."""
    chosen = {(photo.subject, ""): name for name, photo in planned[1].items() if not photo.edit}
    chosen |= {("", photo.edit): name for name, photo in planned[1].items() if photo.edit}
    assert {edit for _, edit in chosen} == {"", *EDITS}
    assert len(chosen) == 12 + 8 + len(EDITS)
    for name in chosen.values():
        with (
            Image.open(io.BytesIO(shipped.read(name))) as there,
            Image.open(io.BytesIO(develop(planned[1][name]))) as drawn,
        ):
            assert there.size == drawn.size, f"{name}: {REDRAW}"
            difference = np.asarray(there, dtype=float) - np.asarray(drawn, dtype=float)
        assert np.abs(difference).mean() < 2, f"{name}: {REDRAW}"


@pytest.mark.usefixtures("quick")
def test_write_sample_zip_repeats_itself_by_seed(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.zip", "again.zip", "other.zip")]
    counts = [
        write_sample_zip(path, seed=seed, n_per_category=4)
        for path, seed in zip(paths, (3, 3, 4), strict=True)
    ]
    one, again, other = (path.read_bytes() for path in paths)
    assert one == again != other
    with zipfile.ZipFile(paths[0]) as archive:
        assert len(archive.namelist()) == counts[0] > 100
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None


@pytest.mark.parametrize(("n", "seed", "message"), [(3, 7, "got 3"), (40, -1, "got -1")])
def test_write_sample_zip_refuses_numbers_out_of_range(
    tmp_path: Path, n: int, seed: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_sample_zip(tmp_path / "x.zip", seed=seed, n_per_category=n)
    assert list(tmp_path.iterdir()) == []


def test_write_sample_zip_leaves_the_old_one_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(photo: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "develop", interrupt)
    (tmp_path / "sample.zip").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_sample_zip(tmp_path / "sample.zip", n_per_category=4)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.usefixtures("quick")
def test_main_says_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "sample.zip"
    monkeypatch.setattr("sys.argv", ["x", "--out", str(path), "--per-category", "4", "--seed", "1"])
    main()
    n_files = len(zipfile.ZipFile(path).namelist())
    assert f"{path}: {n_files} files" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["x", "--out", str(path), "--seed", "-1"])
    with pytest.raises(SystemExit):
        main()
    assert "seed must be 0 or more; got -1" in capsys.readouterr().err
