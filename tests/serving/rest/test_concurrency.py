"""A real server on a real port: many clients at once, and clients who mean no good."""

import base64
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.cache import EmbeddingCache
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.rest import server as server_module
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.limits import Limits
from shelfsure.serving.rest.server import Server, server_config
from shelfsure.serving.service import Service

N_CLIENTS, N_REQUESTS = 32, 500


@pytest.fixture(scope="module")
def saved(
    tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory
) -> ListingPipeline:
    return tiny_trained.save(tmp_path_factory.mktemp("busy") / "shop")


@contextmanager
def running(service: Service, limits: Limits | None = None) -> Iterator[str]:
    """Serve REST on a free port; yield the address."""
    app = create_app(service, limits=limits)
    server = Server(server_config(app, "127.0.0.1", 0), lambda: None)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def serve_with(saved: ListingPipeline) -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:

        def start(**limits: float) -> str:
            service = stack.enter_context(Service(lambda: saved))
            _ = service.pipeline
            return stack.enter_context(running(service, Limits(**limits)))

        yield start


def test_500_requests_of_32_clients_are_each_answered_with_their_own_verdict(
    saved: ListingPipeline, tiny_folder: Path, tiny_trained: ListingPipeline
) -> None:
    assert saved.retrieval is not None
    never = replace(saved.retrieval.pair_model, min_similarity=2.0)  # a close look takes long
    saved = replace(saved, retrieval=replace(saved.retrieval, pair_model=never))
    rng = random.Random(7)
    listings = [
        Listing(
            f"{n}-{rng.random()}",
            item.title if n % 3 else None,
            None if n % 5 == 1 and n % 3 else Path(str(item.image)).read_bytes(),
            item.description if n % 2 else None,
        )
        for n, item in enumerate(rng.choices(tiny_trained.catalog.listings[:50], k=N_REQUESTS))
    ]
    expected = [json.loads(verdict.model_dump_json()) for verdict in saved.predict(listings)]
    garbage: list[dict[str, Any]] = [
        {"content": b"\x00\xff{{", "headers": {"content-type": "application/json"}},
        {"content": b"GET / HTTP/1.1\r\n\r\n", "headers": {"content-type": "text/plain"}},
        {"json": {"photo": "not base64!"}},
        {"json": {"title": 7}},
        {"json": {"listings": []}},
        {"files": {"photo": ("../../etc/passwd", b"\x89PNG\r\n\x1a\n" + b"\xff" * 500)}},
        {"content": b"x" * 3_000_000, "headers": {"content-type": "application/json"}},
        {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    ]
    bad = set(rng.sample(range(N_REQUESTS), N_REQUESTS // 10))
    versions = (replace(saved, version=f"v{n}") for n in count())

    def ask(client: httpx.Client, n: int) -> httpx.Response:
        if n in bad:
            return client.post("/v1/verdict", **garbage[n % len(garbage)])
        item = listings[n]
        fields = {"listing_id": item.listing_id, "title": item.title}
        fields = {k: v for k, v in {**fields, "description": item.description}.items() if v}
        if item.image and n % 2:
            return client.post("/v1/verdict", data=fields, files={"photo": ("p", item.image)})
        if item.image:
            fields["photo"] = base64.b64encode(item.image).decode()
        return client.post("/v1/verdict", json=fields)

    answers: dict[int, httpx.Response] = {}

    def work(own: list[int]) -> None:
        with httpx.Client(base_url=address, timeout=60) as client:
            for n in own:
                answers[n] = ask(client, n)

    with (
        Service(lambda: next(versions)) as service,
        running(service, Limits(max_body_bytes=2_000_000)) as address,
        ThreadPoolExecutor(N_CLIENTS) as pool,
    ):
        _ = service.pipeline
        shares = [list(range(start, N_REQUESTS, N_CLIENTS)) for start in range(N_CLIENTS)]
        clients = [pool.submit(work, share) for share in shares]
        while not all(client.done() for client in clients):
            service.reload()
            time.sleep(0.2)
        for client in clients:
            client.result()
        largest = service.metrics.registry.get_sample_value(
            "shelfsure_batch_listings_bucket", {"le": "1.0"}
        )
        n_batches = service.metrics.registry.get_sample_value("shelfsure_batch_listings_count")

    assert len(answers) == N_REQUESTS
    assert len({answers[n].headers["x-request-id"] for n in answers}) == N_REQUESTS
    seen = set()
    for n, answer in answers.items():
        if n in bad:
            assert answer.status_code < 500
            rejected = answer.status_code == 200 and answer.json()["decision"] == "rejected"
            assert rejected or answer.headers["content-type"] == "application/problem+json"
            continue
        found = answer.json()
        seen.add(found.pop("model_version"))
        assert found == {k: v for k, v in expected[n].items() if k != "model_version"}
    statuses = Counter(answer.status_code for answer in answers.values())
    assert {400, 413, 415, 422} <= set(statuses)
    assert len(seen) > 1  # reloads came in between
    assert largest < n_batches < N_REQUESTS - len(bad)  # requests did share batches


def raw(address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(address).port), timeout=20)


HEAD = b"POST /v1/verdict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_slow_body_is_refused_in_time(serve_with: Callable[..., str]) -> None:
    address = serve_with(upload_s=0.4)
    start = time.monotonic()
    with raw(address) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        answer = connection.recv(10_000)
    assert b" 408 " in answer
    assert b"application/problem+json" in answer
    assert 0.3 < time.monotonic() - start < 5


def test_slow_header_is_cut_off(
    serve_with: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HEADERS_S", 0.4)
    address = serve_with()
    with raw(address) as first, raw(address) as second:
        first.sendall(b"POST /v1/verdict HTTP/1.1\r\nX-Slow: ")
        start = time.monotonic()
        while time.monotonic() - start < 10:
            try:
                first.sendall(b"a")
                time.sleep(0.05)
            except OSError:
                break
        assert time.monotonic() - start < 5
        assert second.recv(10) == b""  # one that says nothing at all is closed as well
    assert httpx.get(f"{address}/healthz").status_code == 200


def test_large_body_is_refused_by_its_header_before_it_is_sent(
    serve_with: Callable[..., str],
) -> None:
    with raw(serve_with()) as connection:
        connection.sendall(HEAD + b"Content-Length: 50000000\r\n\r\n")
        assert b" 413 " in connection.recv(10_000)


def test_large_body_without_length_is_refused_as_soon_as_it_is_too_large(
    serve_with: Callable[..., str],
) -> None:
    with raw(serve_with(max_body_bytes=1_000_000)) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.settimeout(0.02)
        n_sent, answer = 0, b""
        while n_sent < 50_000_000 and not answer:
            connection.settimeout(5)
            connection.sendall(b"10000\r\n" + b"a" * 65_536 + b"\r\n")
            n_sent += 65_536
            connection.settimeout(0.02)
            try:
                answer = connection.recv(10_000)
            except TimeoutError:
                continue
    assert b" 413 " in answer
    assert n_sent < 10_000_000


def test_uploads_are_bounded_together(serve_with: Callable[..., str]) -> None:
    address = serve_with(max_held_bytes=300_000)
    with ExitStack() as stack:
        slow = [stack.enter_context(raw(address)) for _ in range(4)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 200000\r\n\r\n" + b"a" * 100_000)
            time.sleep(0.1)
        assert b" 503 " in slow[3].recv(10_000)
    time.sleep(0.3)
    assert httpx.post(f"{address}/v1/verdict", json={"title": "lamp"}).status_code == 200


def test_garbage_that_is_no_http_disturbs_nobody(serve_with: Callable[..., str]) -> None:
    address = serve_with()
    for garbage in (b"\x16\x03\x01\x02\x00" * 50, b"GET /v1/verdict\r\n\r\n", b"\0" * 5000):
        with raw(address) as connection:
            connection.sendall(garbage)
            assert not connection.recv(10_000).startswith(b"HTTP/1.1 5")
    long_header = b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 200_000
    with raw(address) as connection:
        connection.sendall(long_header)
        assert b" 400 " in connection.recv(10_000)
    assert httpx.get(f"{address}/healthz").status_code == 200


def close_to(found: object, expected: object) -> bool:
    """Tell whether two answers differ by no more than sums of floats do from batch to batch."""
    if isinstance(expected, dict) and isinstance(found, dict):
        same = found.keys() == expected.keys()
        return same and all(close_to(found[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(close_to, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        return abs(found - expected) <= 1.5e-4  # similarities are given with four digits
    return found == expected


@pytest.mark.realdata
def test_shared_batches_answer_as_the_pipeline_does_on_real_photos(
    real_data: Path,
) -> None:
    from shelfsure.pipeline.starter import starter_pipeline

    paths = sorted((real_data / "flipkart").rglob("*.jpg"))[:8]
    assert len(paths) == 8
    photos = [path.read_bytes() for path in paths]
    options = RunOptions(device="cpu", cache=EmbeddingCache())
    starter = starter_pipeline(options)
    uncached = replace(starter.embedder, options=replace(options, cache=None))
    pipeline = replace(starter, embedder=uncached)

    def ask(n: int) -> httpx.Response:
        fields, files = {"title": "for you", "listing_id": f"{n}"}, {"photo": ("p", photos[n])}
        return httpx.post(f"{address}/v1/verdict", data=fields, files=files, timeout=120)

    with (
        Service(lambda: pipeline) as service,
        running(service) as address,
        ThreadPoolExecutor(8) as pool,
    ):
        _ = service.pipeline
        answers = list(pool.map(ask, range(8)))
    for n, answer in enumerate(answers):
        [alone] = pipeline.predict([Listing(f"{n}", "for you", photos[n])])
        assert close_to(answer.json(), json.loads(alone.model_dump_json()))
