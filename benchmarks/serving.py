"""What do eight clients at once cost each of them, and what does sharing batches bring?

python benchmarks/serving.py BUNDLE PHOTOS [--clients 8] [--requests 160]

One server in this process, without an embedding cache; every request has a photo and a title. The
rounds alternate (the pipeline called directly, one client, many clients, many clients without
shared batches), so that a busy machine slows all of them; the ratios are of medians over rounds.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.server import Server, server_config
from shelfsure.serving.service import Service

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
N_ROUNDS = 4


@contextmanager
def serving(pipeline: ListingPipeline, **settings: int) -> Iterator[str]:
    with Service(lambda: pipeline, **settings) as service:
        server = Server(server_config(create_app(service), "127.0.0.1", 0), lambda: None)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not (server.started and service.ready):
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ask(address: str, photos: list[bytes], n_clients: int) -> tuple[list[float], float]:
    """Send every photo once; seconds of each request, and of all."""

    def client(own: list[bytes]) -> list[float]:
        with httpx.Client(base_url=address, timeout=120) as http:

            def post(photo: bytes) -> None:
                form = {"photo": ("photo", photo)}
                http.post("/v1/verdict", files=form, data={"title": "mug"}).raise_for_status()

            return [timed(lambda photo=photo: post(photo)) for photo in own]

    start = time.perf_counter()
    with ThreadPoolExecutor(n_clients) as pool:
        shares = list(pool.map(client, [photos[n::n_clients] for n in range(n_clients)]))
    return [second for share in shares for second in share], time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=160)
    options = parser.parse_args()
    paths = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    photos = [path.read_bytes() for path in paths[: options.requests]]
    if not photos:
        parser.error(f"PHOTOS must hold photos, found none in {options.photos}.")
    n_each = max(options.clients, len(photos) // N_ROUNDS)
    pipeline = ListingPipeline.load(options.bundle)
    rows = []
    with (
        serving(pipeline) as shared,
        serving(pipeline, max_batch=1) as apart,
    ):
        ask(shared, photos[:4], 1)  # warm
        for n in range(N_ROUNDS):
            part = photos[n * n_each : (n + 1) * n_each] or photos[:n_each]
            few = part[:: options.clients]
            direct = [
                timed(lambda p=photo: pipeline.predict([Listing(title="mug", image=p)]))
                for photo in few
            ]
            alone, _ = ask(shared, few, 1)
            many, many_s = ask(shared, part, options.clients)
            single, single_s = ask(apart, part, options.clients)
            rows.append(
                (
                    statistics.median(direct),
                    statistics.median(alone),
                    float(np.quantile(many, 0.95)),
                    len(part) / many_s,
                    float(np.quantile(single, 0.95)),
                    len(part) / single_s,
                )
            )
    direct_s, alone_s, p95_s, rate, p95_apart_s, rate_apart = np.median(rows, axis=0)
    n = options.clients
    print(f"pipeline called directly: {direct_s * 1e3:.0f} ms a listing")
    print(f"one client:  {alone_s * 1e3:.0f} ms, {alone_s / direct_s:.2f} x direct")
    for name, p95, per_s in (
        ("shared batches", p95_s, rate),
        ("one at a time", p95_apart_s, rate_apart),
    ):
        print(
            f"{n} clients, {name}: p95 {p95 * 1e3:.0f} ms, {p95 / alone_s:.1f} x one client's; "
            f"{per_s:.1f} listings/s, {per_s * alone_s:.2f} x one client's"
        )


if __name__ == "__main__":
    main()
