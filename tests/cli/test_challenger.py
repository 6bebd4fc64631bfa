"""`serve --challenger`: who is on trial, and which share it answers."""

from pathlib import Path
from typing import Any

import pytest
import shelfsure.cli.main as cli
import shelfsure.pipeline.persistence
import shelfsure.serving.serve
from shelfsure.core.errors import BundleError, ConfigError


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `serve` is told; no bundle is looked at."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(shelfsure.serving.serve, "serve", lambda _, **others: told.update(others))
    monkeypatch.setattr(shelfsure.pipeline.persistence, "load_settings", lambda _: None)
    return told


def serve(*arguments: str) -> None:
    cli.app(["serve", "live", "--no-cache", *arguments], standalone_mode=False)


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ((), 0.0),
        (("--shadow",), 0.0),
        (("--share", "0"), 0.0),
        (("--share", "0.0 %"), 0.0),
        (("--share", "10%"), 0.1),
        (("--share", "0.25"), 0.25),
        (("--share", "100%"), 1.0),
    ],
)
def test_a_challenger_has_its_share_and_both_folders(
    given: dict[str, Any], options: tuple[str, ...], share: float
) -> None:
    serve("--challenger", "new", *options)
    assert given["challenger"].share == share
    assert given["challenger"].bundles == ("live", "new")


def test_without_a_challenger_there_is_none(given: dict[str, Any]) -> None:
    serve()
    assert given["challenger"] is None


def test_a_challenger_without_a_log_is_warned_of(
    given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("--challenger", "new")
    assert "Pass --log-verdicts DIR" in capsys.readouterr().err
    serve("--challenger", "new", "--log-verdicts", str(tmp_path / "log"))
    assert "Pass --log-verdicts DIR" not in capsys.readouterr().err
    given["verdict_log"].close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--share", "10%"), "pass --challenger BUNDLE"),
        (("--shadow",), "pass --challenger BUNDLE"),
        (("--challenger", "new", "--shadow", "--share", "5%"), "but --share is 5%"),
        (("--challenger", "new", "--share", "110%"), "got '110%'"),
        (("--challenger", "new", "--share", "%"), "got '%'"),
        (("--challenger", "new", "--share", "0%%"), "got '0%%'"),
    ],
)
def test_a_share_that_can_t_be_is_refused(
    given: dict[str, Any], options: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        serve(*options)
    assert not given


@pytest.mark.parametrize("arguments", [("{nowhere}",), ("{bundle}", "--challenger", "{nowhere}")])
def test_what_is_no_bundle_is_refused_before_anything_is_served(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, saved: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(shelfsure.serving.serve, "serve", lambda *_, **__: pytest.fail("served"))
    named = {"nowhere": tmp_path / "nowhere", "bundle": saved}
    with pytest.raises(BundleError, match="nowhere"):
        cli.app(["serve", *(each.format(**named) for each in arguments)], standalone_mode=False)
