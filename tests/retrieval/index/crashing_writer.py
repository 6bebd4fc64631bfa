"""A process that changes an index until it is killed; run by test_store_crash.py.

At step s the index holds the fixed listings, those of the last three steps, and the listing
``counter`` whose title says s. Each step prints its number once it is done.
"""

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from shelfsure.core.errors import IndexIncompleteError
from shelfsure.fusion.views import View
from shelfsure.retrieval.index.records import Record
from shelfsure.retrieval.index.store import ListingIndex

DIMS = {"photo": 48, "title": 24}
FINGERPRINTS = {"photo": "photos-1", "title": "titles-1"}
FIXED = [f"fixed-{i}" for i in range(600)]
KEPT_STEPS = 3


def views(ids: Sequence[str]) -> dict[str, View]:
    """Each id has its own two unit vectors, the same in every process."""
    return {space: View(_vectors(ids, d), np.ones(len(ids), bool)) for space, d in DIMS.items()}


def _vectors(ids: Sequence[str], dim: int) -> np.ndarray:
    rows = [np.random.default_rng(zlib.crc32(key.encode())).standard_normal(dim) for key in ids]
    vectors = np.array(rows, dtype=np.float32).reshape(len(ids), dim)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def records(ids: Sequence[str], step: int) -> list[Record]:
    return [Record(key, str(step) if key == "counter" else f"title of {key}") for key in ids]


def step_ids(step: int) -> list[str]:
    return [f"{step}-{i}" for i in range(5)]


def wanted_ids(step: int) -> list[str]:
    recent = [key for s in range(max(0, step - KEPT_STEPS + 1), step + 1) for key in step_ids(s)]
    return [*FIXED, *recent, "counter"]


def run(folder: Path) -> None:
    try:
        index = ListingIndex.open(folder, FINGERPRINTS)
        step = int(index.records(["counter"])["counter"].title or 0)
        index.remove(step_ids(step - KEPT_STEPS))  # what the killed process may not have come to
    except IndexIncompleteError:
        index, step = ListingIndex.build(folder, [], views([]), FINGERPRINTS), -1
    while True:
        step += 1
        if step % 4 == 0:
            ids = wanted_ids(step)
            kind = "ivf" if step % 8 == 0 else "exact"
            index = ListingIndex.build(folder, records(ids, step), views(ids), FINGERPRINTS, kind)
        else:
            ids = [*step_ids(step), "counter"]
            index.add(records(ids, step), views(ids))
            index.remove(step_ids(step - KEPT_STEPS))
            if step % 4 == 3:
                index.rebuild("hnsw")
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
