"""What does a listing index of 100,000 vectors cost, and what does it find?

python benchmarks/index.py [--vectors 100000] [--dim 512] [--kinds exact ivf hnsw] [--queries 1000]

Draws clustered unit vectors, as a catalogue's are, and other draws from the same clusters as
queries. Prints for each kind: seconds to build, open and add one listing; queries a second;
recall@10 of the queries against exact search; the process's peak memory so far.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from shelfsure.fusion.views import View
from shelfsure.retrieval.index.records import Record
from shelfsure.retrieval.index.store import ListingIndex

Array = npt.NDArray[np.float32]
VECTORS_PER_CLUSTER = 50
NOISE = 0.8


def clustered(rng: np.random.Generator, centres: Array, n: int) -> Array:
    """Unit vectors around centres, shape ``(n, dim)``."""
    vectors = centres[rng.integers(0, len(centres), n)]
    vectors += NOISE * rng.standard_normal(vectors.shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def photo_view(vectors: Array) -> dict[str, View]:
    return {"photo": View(vectors, np.ones(len(vectors), dtype=bool))}


def peak_gb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def recall_at_10(vectors: Array, queries: Array, found: list[list[float]]) -> float:
    """Share of the true ten nearest that were found, by similarity, so that ties don't matter."""
    hits = 0
    for start in range(0, len(queries), 100):  # 100 x n similarities at a time
        true = queries[start : start + 100] @ vectors.T
        cut_offs = np.partition(true, -10, axis=1)[:, -10]
        for cut_off, similarities in zip(cut_offs, found[start : start + 100], strict=True):
            hits += sum(similarity >= cut_off - 1e-5 for similarity in similarities)
    return hits / (10 * len(queries))


def measure(kind: str, folder: Path, vectors: Array, queries: Array) -> dict[str, float]:
    records = [Record(f"listing-{row}", f"Listing {row}") for row in range(len(vectors))]
    seconds: dict[str, float] = {}
    start = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        seconds[name] = time.perf_counter() - start
        start = time.perf_counter()

    ListingIndex.build(folder, records, photo_view(vectors), {"photo": "drawn"}, kind)
    lap("build_s")
    index = ListingIndex.open(folder)
    lap("open_s")
    found = index.search(photo_view(queries), 10)
    lap("search_s")
    for row in range(50):
        index.search(photo_view(queries[row : row + 1]), 10)
    lap("single_s")
    index.add([Record("one more")], photo_view(queries[:1]))
    lap("add_s")
    seconds["recall"] = recall_at_10(vectors, queries, [[n.similarity for n in q] for q in found])
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--kinds", nargs="+", default=["exact", "ivf", "hnsw"])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    n_centres = max(1, options.vectors // VECTORS_PER_CLUSTER)
    centres = rng.standard_normal((n_centres, options.dim), dtype=np.float32)
    vectors = clustered(rng, centres, options.vectors)
    queries = clustered(rng, centres, options.queries)
    print(f"{options.vectors:,} vectors of {options.dim}; memory before: {peak_gb():.2f} GB")
    first: dict[str, float] = {}
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            costs = measure(kind, Path(folder) / "index", vectors, queries)
        first = first or costs
        print(
            f"{kind:6} build {costs['build_s']:6.1f} s   open {costs['open_s']:5.2f} s   "
            f"add {costs['add_s']:5.2f} s   batch {options.queries / costs['search_s']:7.0f}/s   "
            f"single {50 / costs['single_s']:6.0f}/s   "
            f"recall@10 {costs['recall']:.3f}   peak {peak_gb():.2f} GB   "
            f"batch x{first['search_s'] / costs['search_s']:.1f} of {options.kinds[0]}"
        )


if __name__ == "__main__":
    main()
