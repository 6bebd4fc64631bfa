import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.arrays import largest


@given(
    values=st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5]), min_size=1, max_size=12),
    k=st.integers(1, 15),
)
def test_largest_is_the_head_of_a_stable_sort(values: list[float], k: int) -> None:
    array = np.array(values, dtype=np.float32)
    expected = np.argsort(-array, kind="stable")[:k]
    assert largest(array, k).tolist() == expected.tolist()


def test_largest_of_many_equals_is_the_first_ones() -> None:
    assert largest(np.full(1_000, 0.5), 3).tolist() == [0, 1, 2]
    assert largest(np.array([0.2, 0.7, 0.7, 0.1]), 2).tolist() == [1, 2]
