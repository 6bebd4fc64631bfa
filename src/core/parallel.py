"""Many small fits side by side."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Fit in threads, each with one BLAS thread; results in the order of `items`.

    Many small products gain nothing from a BLAS that spreads each over all cores; on a busy
    machine its waiting threads cost up to a hundredfold.
    """
    with threadpool_limits(limits=1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))
