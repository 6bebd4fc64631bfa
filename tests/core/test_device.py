import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from shelfsure.core.device import keep_memory

FAULTS = """
import resource, sys, torch
from shelfsure.core.device import keep_memory

def faults(repeats):
    was = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        torch.ones(50_000_000, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - was

before = faults(5)
assert keep_memory()
faults(30)  # until the process has enough
print(before, faults(5))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library")
def test_keep_memory_asks_the_system_only_once(start_process: Callable[..., Any]) -> None:
    """In a process of its own: it can't be undone."""
    before, after = map(int, start_process(FAULTS).output.read().split())
    assert before > 1000  # pages, even if they are huge ones
    assert after < before / 20


def test_keep_memory_does_nothing_where_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_memory()
