"""The first minute: `doctor` finds what is wrong, `quickstart` judges an example and serves."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.cli import doctor, quickstart
from shelfsure.cli.main import app
from shelfsure.core.errors import ConfigError, WeightsError
from shelfsure.pipeline.pipeline import ListingPipeline
from typer.testing import CliRunner


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_doctor_is_content_with_what_make_installs() -> None:
    code, said = run("doctor")
    assert code == 0, said
    for found in ("torch 2.", "sha256 as expected", "extra serve", "GB free"):
        assert found in said


def test_doctor_names_damaged_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed() -> Path:
        raise WeightsError("model.safetensors must have sha256 1, but has 2. Reinstall it.")

    monkeypatch.setattr("shelfsure.text.encoder.starter_weights", changed)
    states = {finding.what: finding.state for finding in doctor.look_at_weights()}
    assert states == {"photo weights": "ok", "text weights": "wrong"}
    monkeypatch.setattr(doctor, "LOOKS", (doctor.look_at_weights,))
    code, said = run("doctor")
    assert code == 1
    assert "must have sha256 1, but has 2" in said
    assert "1 of 2 must be mended" in said


def test_doctor_names_a_cache_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (finding,) = doctor.look_at_disk()
    assert finding.state == "wrong"
    assert "must be writable" in finding.said
    assert "SHELFSURE_CACHE_DIR" in finding.said
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "LITTLE_DISK", 1e18)
    assert [f.state for f in doctor.look_at_disk()] == ["ok", "note"]


@pytest.mark.parametrize(("second", "state"), [("libgomp", "ok"), ("libiomp", "wrong")])
def test_doctor_sees_two_kinds_of_openmp(
    monkeypatch: pytest.MonkeyPatch, second: str, state: str
) -> None:
    pools = [{"user_api": "openmp", "prefix": kind} for kind in ("libgomp", second)]
    pools.append({"user_api": "blas", "prefix": "libopenblas"})
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: pools)
    assert doctor.look_at_processor()[1].state == state


def test_doctor_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    assert [f.state for f in doctor.look_at_versions()] == ["ok", "ok", "wrong"]
    monkeypatch.setattr(
        "shelfsure.core.extras.missing_modules", lambda extra: ["onnx"] if extra == "onnx" else []
    )
    found = {f.what: f for f in doctor.look_at_extras()}
    assert found["extra onnx"].state == "note"
    assert "pip install 'shelfsure[onnx]'" in found["extra onnx"].said
    assert found["extra serve"].said == "installed"


def test_quickstart_judges_an_example_and_serves_the_same_pipeline(
    monkeypatch: pytest.MonkeyPatch, tiny_trained: ListingPipeline
) -> None:
    served: dict[str, Any] = {}

    def serve(open_pipeline: Callable[[], ListingPipeline], **given: Any) -> None:
        served.update(given, pipeline=open_pipeline())

    monkeypatch.setattr("shelfsure.pipeline.starter.starter_pipeline", lambda _: tiny_trained)
    monkeypatch.setattr("shelfsure.serving.serve.serve", serve)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="must be able to listen on"):
            run("quickstart", "--no-browser", "--port", str(port))
    code, said = run("quickstart", "--no-browser", "--port", str(port))
    assert code == 0
    assert "'Ceramic coffee mug" in said
    assert f"The demo is at http://127.0.0.1:{port}/" in said
    assert served == {"pipeline": tiny_trained, "host": "127.0.0.1", "port": port}


def test_quickstart_opens_the_browser_once_the_server_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr("webbrowser.open", opened.append)
    waiting = threading.Thread(target=quickstart._open_when_there, args=("the page", port))
    waiting.start()
    waiting.join(0.5)
    assert opened == []
    with socket.create_server(("127.0.0.1", port)):
        waiting.join(10)
    assert opened == ["the page"]
