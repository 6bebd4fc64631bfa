"""Are shares right, is no request lost, and what does a challenger cost those who wait?

python benchmarks/ab.py CHAMPION CHALLENGER CATALOGUE [--clients 32] [--requests 2000] [--share 0.1]
    [--rounds 3]

One server in this process over REST, titles only, ids drawn anew in each round. Rounds without a
challenger and with a shadow alternate, so that a busy machine slows both; then one with a share, in
which the challenger begins to raise half-way, so that it is switched off.
"""

import argparse
import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.challenger import Challenger
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.server import Server, server_config
from shelfsure.serving.routing import in_share
from shelfsure.serving.service import Service


@contextmanager
def serving(champion: ListingPipeline, trial: Challenger | None) -> Iterator[tuple[str, Service]]:
    with Service(lambda: champion, challenger=trial) as service:
        server = Server(server_config(create_app(service), "127.0.0.1", 0), lambda: None)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not (server.started and service.ready and (trial is None or trial.last)):
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", service
        finally:
            server.should_exit = True
            thread.join()


def ask(
    address: str, items: list[dict[str, str]], n_clients: int
) -> tuple[list[float], list[tuple[str, int, str]]]:
    """Send each once; seconds of each, and its id, status and model."""

    def client(own: list[dict[str, str]]) -> list[tuple[float, tuple[str, int, str]]]:
        said = []
        # a client that starves must not meet the end of a connection that was kept for it
        once = {"connection": "close"}
        with httpx.Client(base_url=address, timeout=300, headers=once) as http:
            for item in own:
                start = time.perf_counter()
                answer = http.post("/v1/verdict", json=item)
                took_s = time.perf_counter() - start
                version = answer.json().get("model_version", "")
                said.append((took_s, (item["listing_id"], answer.status_code, version)))
        return said

    with ThreadPoolExecutor(n_clients) as pool:
        found = pool.map(client, [items[n::n_clients] for n in range(n_clients)])
    seconds, answers = zip(*itertools.chain(*found), strict=True)
    return list(seconds), list(answers)


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * len(seconds))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("champion", type=Path)
    parser.add_argument("challenger", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3, help="0: the share alone")
    given = parser.parse_args()
    catalog = read_catalog(given.catalogue, photos=False)
    titles = [listing.title for listing in catalog.listings if listing.title]
    champion = ListingPipeline.load(given.champion)
    challenger = ListingPipeline.load(given.challenger)

    def items(name: str) -> list[dict[str, str]]:
        drawn = itertools.islice(itertools.cycle(titles), given.requests)
        return [{"listing_id": f"{name}-{n}", "title": title} for n, title in enumerate(drawn)]

    medians: dict[str, list[tuple[float, float]]] = {"alone": [], "shadow": []}
    for number in range(given.rounds):
        for name in medians:
            trial = Challenger(lambda: challenger) if name == "shadow" else None
            with serving(champion, trial) as (address, service):
                ask(address, items("warm")[:64], given.clients)
                seconds, answers = ask(address, items(f"{name}{number}"), given.clients)
                medians[name].append((statistics.median(seconds), p95(seconds)))
                page = service.metrics.registry.get_sample_value
                shadows = {x: page("shelfsure_shadow_total", {"outcome": x}) or 0 for x in SHADOWS}
            statuses = Counter(status for _, status, _ in answers)
            print(name, dict(statuses), shadows if trial else "")
    for name, rounds in medians.items() if given.rounds else ():
        middle, late = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{name}: median {middle * 1e3:.0f} ms, 95 of 100 within {late * 1e3:.0f} ms")

    broken = threading.Event()

    def predict(listings: list[Listing], **options: object) -> object:
        if broken.is_set():
            raise RuntimeError("killed")
        return challenger.predict(listings, **options)  # type: ignore[arg-type]

    mortal = SimpleNamespace(
        predict=predict,
        version=challenger.version,
        config=challenger.config,
        shift_detector=challenger.shift_detector,
    )
    trial = Challenger(lambda: mortal, given.share)  # type: ignore[arg-type, return-value]
    with serving(champion, trial) as (address, _):
        _, before = ask(address, items("before"), given.clients)
        broken.set()
        _, after = ask(address, items("after"), given.clients)
    expected = Counter(in_share(Listing(key), given.share) for key, _, _ in before)
    for name, answers in (("share", before), ("killed", after)):
        statuses = dict(Counter(status for _, status, _ in answers))
        models = dict(Counter(version for _, _, version in answers))
        print(name, statuses, models)
    print(f"drawn by hash: {expected[True]} of {given.requests}; off: {trial.off}")


SHADOWS = ("judged", "dropped", "failed")

if __name__ == "__main__":
    main()
