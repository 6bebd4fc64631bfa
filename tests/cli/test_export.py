from pathlib import Path

import pytest
from PIL import Image
from shelfsure.cli.main import app
from shelfsure.core.errors import ConfigError
from shelfsure.pipeline.starter import STARTER_BUNDLE
from typer.testing import CliRunner


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in ("navy", "olive", "tomato"):
        Image.new("RGB", (120, 90), colour).save(folder / f"{colour}.png")
    return folder


def test_export_says_how_exact_it_is(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = [str(STARTER_BUNDLE), "--out", str(out), "--format", "torch", "--photos", str(photos)]
    result = CliRunner().invoke(app, ["export", *given])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "image: cosine at least 1.0" in said
    assert "the same best category for 100.0% of 3 listings" in said
    assert {path.name for path in out.iterdir()} == {
        *("image", "text", "preprocessing.json", "parity.json")
    }


def test_export_refuses_what_doesnt_go_together(tmp_path: Path) -> None:
    options = ["--photos", ".", "--listings", "x.csv"]
    given = [str(STARTER_BUNDLE), "--out", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(app, ["export", *given])
    assert isinstance(result.exception, ConfigError)
    assert "not both" in str(result.exception)
    assert not (tmp_path / "out").exists()
