"""Photos are decoded in threads, a little ahead of the model."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from ..core.errors import PhotoError

T = TypeVar("T")
R = TypeVar("R")
LOOKAHEAD = 64
"""Items decoded and not yet asked for, at most."""
MAX_THREADS = 16


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of `size`; itertools.batched needs Python 3.12."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _n_cores() -> int:
    """Count the cores that this process may use; a container often has fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """Start threads; on Ctrl-C, don't decode what nobody will see."""
    pool = ThreadPoolExecutor(max_workers=min(MAX_THREADS, _n_cores()))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]
) -> Iterator[R | PhotoError]:
    """Run `work` in threads, a bounded number of items ahead of who consumes, in order.

    A photo's error comes as a value: it concerns one row, not the run.
    """

    def attempt(item: T) -> R | PhotoError:
        try:
            return work(item)
        except PhotoError as error:
            return error

    waiting: deque[Future[R | PhotoError]] = deque()
    for item in items:
        waiting.append(pool.submit(attempt, item))
        if len(waiting) > LOOKAHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
