"""The whole process: it starts, exchanges its bundle, and ends without dropping anybody."""

import json
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from shelfsure.core.errors import ConfigError
from shelfsure.serving.rest.guard import Guard, host_name
from shelfsure.serving.rest.problems import ProblemError
from shelfsure.serving.serve import check_free

PROCESS = """
import sys, time
from pathlib import Path
from shelfsure.core.errors import BundleError
from shelfsure.serving import serve as module
from shelfsure.serving.rest.limits import Limits
from shelfsure.pipeline.verdict import Verdict

module._WATCH_S = module._RETRY_S = 0.1
bundle = Path(sys.argv[1])

class Slow:
    memory, class_names = None, ("A",)
    def __init__(self):
        self.version = (bundle / "manifest.json").read_text()
        if self.version == "broken":
            raise BundleError("the bundle is broken")
    def predict(self, listings, *, duplicates=True, on_shift="review"):
        time.sleep(max(float(item.title) for item in listings))
        return [
            Verdict(listing_id=item.listing_id, decision="review", model_version=self.version)
            for item in listings
        ]

try:
    module.serve(Slow, bundle=bundle, port=0, demo=False)
except BundleError as error:
    sys.exit(f"Error: {error}")
"""


class Running:
    """A server process, its address and its log."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        message = self.wait_for("running on")
        self.address = message.split("running on ")[1].split()[0]

    def _read(self) -> None:
        for line in self.process.output:
            self._lines.put(line)
        self._lines.put("")

    def wait_for(self, words: str) -> str:
        """Read the log until a message holds these words."""
        while line := self._lines.get(timeout=20):
            assert line.startswith("{"), line
            self.log.append(json.loads(line))
            if words in self.log[-1]["message"]:
                return str(self.log[-1]["message"])
        raise AssertionError(f"the server ended before it said {words!r}: {self.log}")

    def n_in_progress(self) -> float:
        page = httpx.get(f"{self.address}/metrics").text
        line = next(x for x in page.splitlines() if x.startswith("shelfsure_http_requests_in_pr"))
        return float(line.split()[1])

    def version(self) -> str:
        return str(httpx.get(f"{self.address}/readyz").json()["model_version"])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "manifest.json").write_text("v1")
    return tmp_path


@pytest.fixture
def start(bundle: Path, start_process: Callable[..., Any]) -> Callable[[], Running]:
    def begin() -> Running:
        running = Running(start_process(PROCESS, bundle))
        while httpx.get(f"{running.address}/readyz").status_code != 200:
            time.sleep(0.05)
        return running

    return begin


def replace_manifest(bundle: Path, text: str) -> None:
    fresh = bundle / "fresh"
    fresh.write_text(text)
    fresh.replace(bundle / "manifest.json")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_what_it_accepted_before_it_ends(
    start: Callable[[], Running], number: int
) -> None:
    server = start()
    with ThreadPoolExecutor(4) as pool:
        accepted = [
            pool.submit(
                httpx.post,
                f"{server.address}/v1/verdict",
                json={"listing_id": f"{n}", "title": "1"},
                timeout=30,
            )
            for n in range(4)
        ]
        while server.n_in_progress() < 4 + 1:  # the one that asks is in progress, too
            time.sleep(0.02)
        server.process.send_signal(number)
        answers = [future.result() for future in accepted]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.json()["listing_id"] for answer in answers] == list("0123")
    assert server.process.wait(20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.address)


def test_serve_takes_up_a_new_bundle_and_survives_a_broken_one(
    start: Callable[[], Running], bundle: Path
) -> None:
    server = start()
    assert server.version() == "v1"
    replace_manifest(bundle, "v2")
    server.wait_for("replaced by v2")
    assert server.version() == "v2"
    replace_manifest(bundle, "broken")
    server.wait_for("the bundle is broken")
    assert server.version() == "v2"
    replace_manifest(bundle, "v3")
    server.wait_for("replaced by v3")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("bundle v3 replaced by v3")
    answer = httpx.post(f"{server.address}/v1/verdict", json={"title": "0"})
    assert answer.json()["model_version"] == "v3"


def test_serve_logs_one_line_a_request_and_nothing_of_the_listing(
    start: Callable[[], Running],
) -> None:
    server = start()
    secret = {"listing_id": "secret", "title": "0.0001"}
    httpx.post(f"{server.address}/v1/verdict?q=secret", json=secret)
    answer = httpx.post(f"{server.address}/secret", json=secret)
    server.wait_for("answered")
    server.wait_for("answered")
    first, second = server.log[-2:]
    assert (first["route"], first["status"]) == ("/v1/verdict", 200)
    assert (second["route"], second["status"]) == ("demo", 404)
    assert second["request"] == answer.headers["x-request-id"]
    assert "secret" not in json.dumps(server.log)


def test_serve_refuses_other_host_names_on_loopback(start: Callable[[], Running]) -> None:
    server = start()
    answer = httpx.get(f"{server.address}/healthz", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["detail"]


def test_serve_ends_with_the_reason_if_the_bundle_cannot_be_loaded(
    bundle: Path, start_process: Callable[..., Any]
) -> None:
    (bundle / "manifest.json").write_text("broken")
    process = start_process(PROCESS, bundle)
    said = process.output.read()
    assert process.wait() == 1
    assert "Error: the bundle is broken" in said
    assert "Traceback" not in said


def test_check_free_says_which_port_is_taken_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"listen on 127.0.0.1, port {port}, but: Address"):
            check_free("127.0.0.1", port)
    check_free("127.0.0.1", port)
    with pytest.raises(ConfigError, match=r"listen on 203\.0\.113\.1"):
        check_free("203.0.113.1", 0)


def check(headers: dict[bytes, bytes], method: str = "POST", path: str = "/v1/verdict") -> str:
    """Say what the guard makes of it."""
    guard = Guard(lambda *_: None, "correct-horse-battery", {"localhost", "::1"})
    try:
        guard.check(method, path, {b"host": b"localhost:8000", **headers})
    except ProblemError as problem:
        return problem.kind
    return "passes"


@pytest.mark.parametrize(
    ("headers", "path", "outcome"),
    [
        ({}, "/v1/verdict", "key-needed"),
        ({}, "/", "key-needed"),
        ({}, "/gradio_api/upload", "key-needed"),
        ({}, "/metrics", "key-needed"),
        ({}, "/healthz", "passes"),
        ({}, "/readyz", "passes"),
        ({b"authorization": b"Bearer correct-horse-battery"}, "/v1/verdict", "passes"),
        ({b"authorization": b"bearer  correct-horse-battery"}, "/", "passes"),
        ({b"x-api-key": b"correct-horse-battery"}, "/v1/verdict", "passes"),
        ({b"x-api-key": b"correct-horse-batterx"}, "/v1/verdict", "key-needed"),
        ({b"x-api-key": b""}, "/v1/verdict", "key-needed"),
        ({b"x-api-key": b"\xff\x00"}, "/v1/verdict", "key-needed"),
        (
            {b"authorization": b"Basic YW5hOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="},
            "/gradio_api/queue/join",
            "passes",
        ),
        ({b"authorization": b"Basic YW5hOndyb25n"}, "/", "key-needed"),
        ({b"authorization": b"Basic !"}, "/", "key-needed"),
        ({b"host": b"evil.example"}, "/healthz", "wrong-host"),
        ({b"host": b"[::1]:8000"}, "/healthz", "passes"),
        ({b"host": b""}, "/healthz", "wrong-host"),
        ({b"host": b"[::1"}, "/healthz", "wrong-host"),
        ({b"sec-fetch-site": b"cross-site"}, "/healthz", "cross-site"),
        ({b"sec-fetch-site": b"same-site"}, "/healthz", "cross-site"),
        ({b"sec-fetch-site": b"same-origin"}, "/healthz", "passes"),
    ],
)
def test_guard_lets_pass_who_may(headers: dict[bytes, bytes], path: str, outcome: str) -> None:
    assert check(headers, path=path) == outcome


def test_host_name_takes_the_port_off() -> None:
    assert [host_name(h) for h in ("a.b:80", "A", "[::1]:8000", "[", "")] == [
        *("a.b", "a", "::1", "", "")
    ]
