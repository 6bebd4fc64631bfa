import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.core.runtimes.session import parity


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(2, 40), st.floats(0, 1.5))
def test_parity_finds_the_angle_that_was_put_in(n: int, dim: int, angle: float) -> None:
    rng = np.random.default_rng(n * dim)
    rows = unit(rng.normal(size=(n, dim)))
    aside = rng.normal(size=(n, dim))
    aside = unit(aside - (aside * rows).sum(axis=1, keepdims=True) * rows)
    turned = rows.copy()
    turned[0] = np.cos(angle) * rows[0] + np.sin(angle) * aside[0]
    found = parity(rows, turned)
    assert found.cosine_min == pytest.approx(np.cos(angle), abs=1e-5)
    assert found.cosine_mean == pytest.approx((n - 1 + np.cos(angle)) / n, abs=1e-5)
    assert found.max_difference == pytest.approx(np.abs(rows - turned).max(), abs=1e-6)


def test_parity_never_passes_what_isnt_a_number() -> None:
    rows = unit(np.eye(3))
    broken = rows.copy()
    broken[1, 1] = np.nan
    found = parity(rows, broken)
    assert found.cosine_min == -1.0
    assert found.max_difference == np.inf


@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((2, 3), (2, 4)), ((0, 3), (0, 3))])
def test_parity_refuses_what_cant_be_compared(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match=r"as many embeddings, got \(\d, 3\)"):
        parity(*(np.ones(shape, np.float32) for shape in shapes))
