"""How many hard copies are among the candidates of a large catalogue, and what does that cost?

python benchmarks/candidates.py [--vectors 60000] [--dim 384] [--clusters 1200] [--noise 1.0]

Draws clustered unit vectors and plants 2,000 copies among them, a quarter each at cosine .6, .7, .8
and .9 from their originals; then every vector is paired with its ten nearest. `measured` is what
Shelfsure does, `fixed` an index of lists of which 8 are searched whatever that finds (as Shelfsure
did before), `exact` compares everything. Each runs in a process of its own, by turns; seconds (of
processor time) and ratios are medians over rounds; memory is the peak above the vectors themselves.
OMP_NUM_THREADS=1 measures one core.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from shelfsure.fusion.views import View
from shelfsure.retrieval.duplicates import candidates
from shelfsure.retrieval.index.faiss_build import BuiltIndex
from shelfsure.retrieval.index.recall import planted_copies
from shelfsure.retrieval.index.vector_index import faiss, fill

COSINES = (0.6, 0.7, 0.8, 0.9)
N_COPIES = 500  # of each
N_NEIGHBOURS = 10
ARMS = ("measured", "fixed", "exact")
Vectors = npt.NDArray[np.float32]


def draw(options: argparse.Namespace) -> tuple[Vectors, npt.NDArray[np.intp]]:
    """Vectors with the copies at their end, and each copy's original."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((options.clusters, options.dim), dtype=np.float32)
    vectors = np.empty((options.vectors + len(COSINES) * N_COPIES, options.dim), dtype=np.float32)
    stored = vectors[: options.vectors]
    rng.standard_normal(out=stored, dtype=np.float32)
    stored *= options.noise
    stored += centres[rng.integers(0, options.clusters, options.vectors)]
    stored /= np.linalg.norm(stored, axis=1, keepdims=True)
    originals = rng.permutation(options.vectors)[: len(COSINES) * N_COPIES]
    for number, cosine in enumerate(COSINES):
        own = slice(number * N_COPIES, (number + 1) * N_COPIES)
        copies = planted_copies(stored[originals[own]], cosine, rng)
        vectors[options.vectors :][own] = copies
    return vectors, originals


def fixed_lists(view: View, *_: Any, **__: Any) -> BuiltIndex:
    """Four times as many lists as the square root of the vectors, 8 of them searched."""
    vectors = view.features
    n, dim = vectors.shape
    n_lists = round(4 * n**0.5)
    inner = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, n_lists, faiss.METRIC_INNER_PRODUCT)
    rows = np.random.default_rng(0).choice(n, min(n, 64 * n_lists), replace=False)
    inner.train(vectors[np.sort(rows)])
    inner.nprobe = 8
    return BuiltIndex(fill(inner, vectors, np.arange(n)), "ivf", float("nan"))


def peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(arm: str, options: argparse.Namespace) -> dict[str, Any]:
    vectors, originals = draw(options)
    if arm == "fixed":
        candidates.build_index = fixed_lists  # type: ignore[assignment]
    elif arm == "exact":
        candidates.choose_kind = lambda *_: "exact"  # type: ignore[assignment]
    before, start = peak_mb(), time.process_time()
    found = candidates.near_pairs([vectors], n_neighbours=N_NEIGHBOURS)
    seconds = time.process_time() - start
    copies = found.rows[found.rows[:, 1] >= options.vectors]  # the larger row comes second
    places = copies[:, 1] - options.vectors
    right = places[copies[:, 0] == originals[places]]
    recall = np.bincount(right // N_COPIES, minlength=len(COSINES)) / N_COPIES
    return {
        "seconds": seconds,
        "mb": peak_mb() - before,
        "recall": recall.tolist(),
        "search": found.search,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=60_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--clusters", type=int, default=1200)
    parser.add_argument("--noise", type=float, default=1.0, help="Spread within a cluster.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    options = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {arm: [] for arm in options.arms}
    context = multiprocessing.get_context("spawn")
    for _ in range(options.rounds):
        for arm, own in runs.items():
            with context.Pool(1) as pool:
                own.append(pool.apply(measure, (arm, options)))
    print(f"{options.vectors:,} vectors of {options.dim} in {options.clusters:,} clusters, "
          f"noise {options.noise:g}; {N_COPIES} copies each at cosine {COSINES}")  # fmt: skip
    for arm, own in runs.items():
        ratios = [
            run["seconds"] / first["seconds"]
            for run, first in zip(own, runs[options.arms[0]], strict=True)
        ]
        recall = "  ".join(f"{share:.3f}" for share in own[-1]["recall"])
        print(
            f"{arm:9} originals found {recall}   "
            f"{statistics.median(run['seconds'] for run in own):7.1f} s (x"
            f"{statistics.median(ratios):.2f} of {options.arms[0]})   "
            f"{max(run['mb'] for run in own):6.0f} MB   {own[-1]['search']}"
        )


if __name__ == "__main__":
    main()
