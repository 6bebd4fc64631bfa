"""All near pairs among very many vectors: what do they cost, and how many are found?

python benchmarks/self_join.py [--vectors 100000 1000000] [--dim 384] [--arms cells lance]
    [--min-similarity 0.55]

Draws clustered unit vectors into a file, in half precision, with copies planted among them, 500
each at cosine .6, .7, .8 and .9 from their originals. `cells` is what Shelfsure does with a
catalogue of that size (`self_join`, ten neighbours each); `lance` is Lance's `find_duplicate_pairs`
over an IVF_FLAT index with as many partitions as the square root of the vectors, its index included
(`pip install pylance`; it looks within partitions only). Each runs in a process of its own, after
the drawing. Prints processor seconds, the exponent of their growth, the most memory beyond what the
process held before (pages of the file that are in memory count), the share of copies found, and
what the search says of itself. OMP_NUM_THREADS=1 and LANCE_CPU_THREADS=1 measure one core.
"""

import argparse
import math
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shelfsure.retrieval.index.recall import planted_copies
from shelfsure.retrieval.index.self_join import self_join

COSINES = (0.6, 0.7, 0.8, 0.9)
N_COPIES = 500  # of each
BLOCK = 50_000
Pairs = npt.NDArray[np.int64]


def draw(path: Path, n: int, dim: int) -> npt.NDArray[np.intp]:
    """Write the vectors, copies last; give each copy's original."""
    rng = np.random.default_rng(0)
    scale = (np.arange(1, dim + 1) ** -0.25).astype(np.float32)
    centres = 2 * rng.standard_normal((max(1, n // 50), dim), dtype=np.float32) * scale**2
    n_own = n - len(COSINES) * N_COPIES
    file = np.lib.format.open_memmap(path, "w+", np.float16, (n, dim))
    for start in range(0, n_own, BLOCK):
        size = min(BLOCK, n_own - start)
        block = centres[rng.integers(0, len(centres), size)]
        block += rng.standard_normal((size, dim), dtype=np.float32) * scale
        file[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    originals = np.sort(rng.permutation(n_own)[: len(COSINES) * N_COPIES])
    originals = rng.permutation(originals)
    for number, cosine in enumerate(COSINES):
        own = slice(number * N_COPIES, (number + 1) * N_COPIES)
        stored = file[originals[own]].astype(np.float32)
        stored /= np.linalg.norm(stored, axis=1, keepdims=True)
        file[n_own:][own] = planted_copies(stored, cosine, rng)
    file.flush()
    return originals


def by_cells(path: Path, min_similarity: float) -> tuple[Pairs, str]:
    vectors = np.load(path, mmap_mode="r")
    found = self_join(vectors, 10, min_similarity=min_similarity)
    row, rank = np.nonzero(found.rows >= 0)
    said = f"{found.n_visited} of {found.n_cells:,} cells, recall@10 {found.recall_at_10}"
    return np.sort(np.column_stack([row, found.rows[row, rank]]), axis=1), said


def by_lance(path: Path, min_similarity: float) -> tuple[Pairs, str]:
    import lance
    import pyarrow as pa
    from lance.vector import find_duplicate_pairs

    vectors = np.load(path, mmap_mode="r")
    kind = pa.list_(pa.float16(), vectors.shape[1])
    schema = pa.schema([pa.field("vector", kind)])

    def batches() -> Any:
        for start in range(0, len(vectors), BLOCK):
            block = pa.array(vectors[start : start + BLOCK].ravel())
            rows = pa.FixedSizeListArray.from_arrays(block, vectors.shape[1])
            yield pa.record_batch([rows], schema=schema)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    stored = lance.write_dataset(reader, str(path.with_suffix(".lance")))
    n_partitions = round(len(vectors) ** 0.5)
    stored.create_index("vector", "IVF_FLAT", metric="cosine", num_partitions=n_partitions)
    with find_duplicate_pairs(stored, "vector", 1 - min_similarity) as found:
        table = found.read_all()
    # of a dataset of few fragments, an id is the fragment's number and the row's place in it
    ids = np.column_stack([table["row_id_a"].to_numpy(), table["row_id_b"].to_numpy()])
    starts = np.cumsum([0, *(each.count_rows() for each in stored.get_fragments())])
    rows = starts[ids >> 32] + (ids & 0xFFFFFFFF).astype(np.int64)
    return np.sort(rows, axis=1), f"{n_partitions} partitions"


ARMS: dict[str, Callable[[Path, float], tuple[Pairs, str]]] = {"cells": by_cells, "lance": by_lance}


def peak_gb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def measure(arm: str, path: Path, originals: Any, min_similarity: float) -> dict[str, Any]:
    """Run one arm in this process."""
    before, start = peak_gb(), time.process_time()
    pairs, said = ARMS[arm](path, min_similarity)
    seconds = time.process_time() - start
    n = len(np.load(path, mmap_mode="r"))
    copies = n - len(originals) + np.arange(len(originals))
    found = np.isin(originals * n + copies, pairs[:, 0] * n + pairs[:, 1])
    recall = found.reshape(len(COSINES), -1).mean(axis=1).tolist()
    return {"seconds": seconds, "gb": peak_gb() - before, "recall": recall, "said": said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, nargs="+", default=[100_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["cells"])
    parser.add_argument("--min-similarity", type=float, default=0.55)
    parser.add_argument("--folder", type=Path, help="where the vectors are written meanwhile")
    options = parser.parse_args()
    context, before = multiprocessing.get_context("spawn"), {}
    print(f"{'':22}seconds  growth      GB  copies found at cosine {COSINES}")
    for n in options.vectors:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / "vectors.npy"
            with context.Pool(1) as pool:
                originals = pool.apply(draw, (path, n, options.dim))
            for arm in options.arms:
                run = partial(measure, arm, path, originals, options.min_similarity)
                with context.Pool(1) as pool:
                    found = pool.apply(run)
                seconds = found["seconds"]
                growth = ""
                if arm in before:
                    smaller, took = before[arm]
                    growth = f"{math.log(seconds / took) / math.log(n / smaller):.2f}"
                before[arm] = n, seconds
                recall = "  ".join(f"{share:.3f}" for share in found["recall"])
                print(
                    f"{n:>12,} {arm:8} {seconds:8.1f} {growth:>7} {found['gb']:7.2f}  {recall}"
                    f"   {found['said']}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
