"""Small fits in threads, and BLAS on one thread meanwhile."""

import sys
from types import ModuleType

import numpy as np
import pytest
import shelfsure.core.parallel as parallel
from shelfsure.core.parallel import in_parallel
from threadpoolctl import threadpool_info, threadpool_limits


def blas_threads(_: object = None) -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_in_parallel_keeps_the_order_and_holds_blas_to_one_thread() -> None:
    np.linalg.inv(np.eye(3))
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert before
        seen = in_parallel(lambda n: (n, blas_threads()), range(5))
        assert [n for n, _ in seen] == [0, 1, 2, 3, 4]
        assert all(set(threads) == {1} for _, threads in seen)
        assert blas_threads() == before


def test_in_parallel_passes_on_what_fails_and_gives_the_threads_back() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError):
            in_parallel(lambda n: 1 / n, [1, 0])
        assert blas_threads() == before


def test_in_parallel_looks_for_libraries_again_once_modules_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []
    find = parallel.ThreadpoolController
    monkeypatch.setattr(parallel, "ThreadpoolController", lambda: looked.append(1) or find())
    parallel._libraries.cache_clear()
    for _ in range(3):
        in_parallel(abs, [-1])
    assert len(looked) == 1
    monkeypatch.setitem(sys.modules, "a_module_with_a_library", ModuleType("a"))
    assert in_parallel(abs, [-1]) == [1]
    assert len(looked) == 2
