"""What a worker's process holds: one pipeline a bundle, loaded once, on as many threads as told."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.device import Runtime
from ..embedding.run_options import RunOptions
from ..pipeline.pipeline import ListingPipeline
from ..vision.load import PhotoLimits
from .shipping import ShippedBundle

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS, MAX_BYTES, PIECE = 256, 2**26, 16
"""A block of listings: what a worker holds in memory at a time."""


@dataclass(frozen=True)
class WorkerOptions:
    """How encoders run on a worker.

    Parameters
    ----------
    threads
        Threads of a worker's process for each computation. Spark starts a process for each task,
        so more than a task's cores (``spark.task.cpus``, 1) slow all of them down. None: as many
        as the libraries take, which is right where there is one process, as on Sail.
    device, runtime, limits
        As for `RunOptions`.
    """

    threads: int | None = 1
    device: str = "auto"
    runtime: Runtime = "auto"
    limits: PhotoLimits = field(default_factory=PhotoLimits)

    def run_options(self) -> RunOptions:
        return RunOptions(device=self.device, runtime=self.runtime, limits=self.limits)


@dataclass
class _Loaded:
    pipeline: ListingPipeline
    alone: threading.Lock


_LOADED: dict[tuple[str, WorkerOptions], _Loaded] = {}
_LOADING = threading.Lock()


@contextmanager
def loaded(shipped: ShippedBundle, options: WorkerOptions) -> Iterator[ListingPipeline]:
    """Hold this process's pipeline of a bundle; the first caller loads and verifies it.

    A process has one task at a time on Spark. On Sail tasks are threads of one process: there they
    take turns, each on all of its threads.

    Raises
    ------
    BundleError
        If what lies on this worker is no such bundle, or was fitted on other weights.
    """
    key = (shipped.version, options)
    with _LOADING:
        if key not in _LOADED:
            limit_threads(options.threads)
            pipeline = ListingPipeline.load(shipped.folder(), options.run_options())
            shipped.require_version(pipeline.version)
            _LOADED[key] = _Loaded(pipeline, threading.Lock())
        found = _LOADED[key]
    with found.alone:
        yield found.pipeline


def limit_threads(n_threads: int | None) -> None:
    """Let this process compute on so many threads; None leaves what is."""
    if n_threads is None:
        return
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(n_threads)
    cv2.setNumThreads(n_threads)
    threadpool_limits(limits=n_threads)


def in_blocks(
    batches: "Iterable[pa.RecordBatch]", max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES
) -> "Iterator[pa.Table]":
    """Cut and join what comes into tables of bounded size.

    How many rows come at once is up to the engine, and to its settings.
    """
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in batches:
        for start in range(0, batch.num_rows, PIECE):
            piece = batch.slice(start, PIECE)
            if held and (n_rows + piece.num_rows > max_rows or n_bytes + piece.nbytes > max_bytes):
                yield pa.Table.from_batches(held)
                held, n_rows, n_bytes = [], 0, 0
            held.append(piece)
            n_rows, n_bytes = n_rows + piece.num_rows, n_bytes + piece.nbytes
    if held:
        yield pa.Table.from_batches(held)
