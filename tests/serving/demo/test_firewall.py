"""The demo's doors: what its page asks for passes, files of the server and other routes don't."""

import os
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from shelfsure.serving.demo import firewall
from shelfsure.serving.demo.firewall import (
    EVENT,
    UPLOAD,
    Firewall,
    check_door,
    check_event,
    clear_abandoned,
)
from shelfsure.serving.rest.problems import ProblemError

FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("method", "path", "outcome"),
    [
        ("GET", "/", "passes"),
        ("HEAD", "/", "passes"),
        ("GET", "/assets/index-1.js", "passes"),
        ("GET", "/gradio_api/file=/tmp/gradio/1/a.jpg", "passes"),
        ("GET", "/gradio_api/heartbeat/abc1", "passes"),
        ("GET", "/gradio_api/queue/data", "passes"),
        ("POST", UPLOAD, "passes"),
        ("POST", EVENT, "passes"),
        ("POST", "/gradio_api/cancel", "passes"),
        ("POST", "/", "method-not-allowed"),
        ("GET", UPLOAD, "method-not-allowed"),
        ("TRACE", "/", "method-not-allowed"),
        ("GET", "/gradio_api/file=http://127.0.0.1/x", "not-found"),
        ("GET", "/gradio_api/file=file:///etc/passwd", "not-found"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1/", "not-found"),
        ("GET", "/gradio_api/info", "not-found"),
        ("GET", "/gradio_api/vibe-code", "not-found"),
        ("GET", "/gradio_api/deep_link", "not-found"),
        ("GET", "/openapi.json", "not-found"),
        ("GET", "/login", "not-found"),
        ("GET", "/assets/" + "a" * 256, "not-found"),
        ("POST", "/gradio_api/run/check", "not-found"),
        ("POST", "/gradio_api/component_server", "not-found"),
        ("POST", "/gradio_api/process_recording", "not-found"),
        ("GET", "/x\n/", "not-found"),
    ],
)
def test_check_door_lets_through_what_the_page_asks_for(
    method: str, path: str, outcome: str
) -> None:
    assert kind_of(check_door, method, path) == outcome


def kind_of(check: Any, *given: Any) -> str:
    try:
        check(*given)
    except ProblemError as problem:
        return problem.kind
    return "passes"


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("{uploads}/1/a.jpg", "passes"),
        (None, "passes"),
        ("/etc/passwd", "invalid"),
        ("{uploads}/../secret.csv", "invalid"),
        ("{uploads}/link/secret.csv", "invalid"),
        ("{uploads}x/a.jpg", "invalid"),
        ("http://127.0.0.1/a.jpg", "invalid"),
        ("{uploads}/\0", "invalid"),
        ("{uploads}", "invalid"),
        ("{uploads}/folder", "invalid"),
        ("{uploads}/folder/", "invalid"),
        ("{uploads}/folder/../folder", "invalid"),
        ("", "invalid"),
        (5, "invalid"),
        (["/etc/passwd"], "invalid"),
        ({"path": "/etc/passwd"}, "invalid"),
    ],
)
@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
def test_check_event_takes_only_files_that_were_uploaded(
    tmp_path: Path, path: Any, outcome: str, meta: dict[str, Any]
) -> None:
    uploads = tmp_path / "uploads"
    (uploads / "folder").mkdir(parents=True)
    (uploads / "link").symlink_to(tmp_path)
    if isinstance(path, str):
        path = path.replace("{uploads}", str(uploads))
    for data in ([{"path": path, **meta}], [[{"a": {"path": path, **meta}}]]):
        assert kind_of(check_event, {"fn_index": 1, "data": data}, {1}, uploads) == outcome


@pytest.mark.parametrize("number", [None, 2, -1, "1", True, 1.0, [1]])
def test_check_event_takes_only_the_pages_events(tmp_path: Path, number: Any) -> None:
    assert kind_of(check_event, {"fn_index": number, "data": []}, {1}, tmp_path) == "invalid"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A gate before an application that says what it got."""
    limits = {"MAX_UPLOAD_BYTES": 2_000, "MAX_KEPT_BYTES": 3_000, "MAX_EVENT_BYTES": 1_000}
    for name, limit in limits.items():
        monkeypatch.setattr(firewall, name, limit)
    app = FastAPI()

    @app.post(EVENT)
    async def event(request: Request) -> Any:
        return await request.json()

    @app.post(UPLOAD)
    async def upload(request: Request) -> Any:
        n_bytes = len(await request.body())
        if b"disk" in await request.body():
            raise OSError(28, "No space left on device")
        if b"odd" in await request.body():
            raise TypeError("no file")
        return [n_bytes, request.headers.get("x-forwarded-host")]

    return TestClient(Firewall(app, {1}, tmp_path), raise_server_exceptions=False)


def form(text: str, *, filename: str = '; filename="a"') -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="files"{filename}\r\n\r\n'
    return f"{head}{text}\r\n--x--\r\n".encode()


def send(client: TestClient, body: bytes, **headers: str) -> Any:
    return client.post(UPLOAD, content=body, headers={"content-type": FORM, **headers})


def test_gate_passes_on_what_it_checked(client: TestClient) -> None:
    twice = b'{"fn_index": 9, "fn_index": 1, "data": [{"path": "/etc/passwd"}], "data": [1]}'
    assert client.post(EVENT, content=twice).json() == {"fn_index": 1, "data": [1]}
    assert client.post(EVENT, content=b"[" * 900).status_code == 400
    assert client.post(EVENT, content='{"fn_index": 1}'.encode("utf-16")).status_code == 400
    assert client.post(EVENT, content=b" " * 1_001).status_code == 413


def test_gate_refuses_uploads_that_are_too_large_for_it_or_too_many(client: TestClient) -> None:
    assert send(client, form("a" * 3_000)).status_code == 413
    assert send(client, form("a" * 1_500)).status_code == 200
    full = send(client, form("a" * 1_500))
    assert (full.status_code, full.headers["retry-after"]) == (503, "600")


def test_gate_refuses_uploads_when_the_disk_is_full(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(firewall.shutil, "disk_usage", lambda _: usage(200_000_100))
    assert send(client, form("a" * 300)).status_code == 503


def test_gate_answers_for_gradio_where_that_fails(client: TestClient) -> None:
    assert send(client, form("odd")).status_code == 400
    full = send(client, form("disk"))
    assert full.status_code == 503
    assert "device" not in full.text


def test_gate_refuses_long_text_in_an_upload(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firewall, "MAX_FIELD_BYTES", 500)
    long = "a" * 600
    assert send(client, form(long)).status_code == 200
    assert send(client, form(long[:400], filename="")).status_code == 200
    assert send(client, form(long, filename="")).status_code == 413
    assert send(client, form(long, filename="\r\nX-Y: filename=a")).status_code == 413
    assert send(client, b"no form").status_code == 400


def test_gate_hides_the_headers_that_name_another_address(client: TestClient) -> None:
    answer = send(client, form("a"), **{"x-forwarded-host": "evil.example"})
    assert answer.json()[1] is None


def test_clear_abandoned_removes_old_pieces_and_no_upload(tmp_path: Path) -> None:
    for name in ("old", "new", "1/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"a")
    for name in ("old", "1/a.jpg", "1"):
        os.utime(tmp_path / name, (time.time() - 4_000,) * 2)
    clear_abandoned(tmp_path, 3_600)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["1", "a.jpg", "new"]
    clear_abandoned(tmp_path / "none", 3_600)


def test_gate_passes_on_the_lifespan(tmp_path: Path) -> None:
    seen = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope["type"])

    anyio.run(Firewall(app, {1}, tmp_path), {"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]
