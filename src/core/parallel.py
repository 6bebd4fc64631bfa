"""Many small fits side by side."""

import functools
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Fit in threads, each with one BLAS thread; results in the order of `items`.

    Many small products gain nothing from a BLAS that spreads each over all cores; on a busy
    machine its waiting threads cost up to a hundredfold.
    """
    libraries = _libraries(len(sys.modules))
    with libraries.limit(limits=1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


@functools.lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:  # noqa: ARG001 - a library comes with one
    """Find the loaded libraries that start threads: 10 ms, as much as a small fit takes."""
    return ThreadpoolController()
