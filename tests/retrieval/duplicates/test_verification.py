import numpy as np
from shelfsure.retrieval.duplicates.verification import near_each_other


def test_near_each_other_brings_pairs_of_one_group_together(rng) -> None:
    group = rng.permutation(np.repeat(np.arange(100), 6))
    rows = np.array(
        [(a, b) for g in range(100) for a in np.flatnonzero(group == g)
         for b in np.flatnonzero(group == g) if a < b]
    )  # fmt: skip
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    order = near_each_other(rows, None)
    assert sorted(order.tolist()) == list(range(len(rows)))
    groups = group[rows[order, 0]]
    assert (np.diff(groups) != 0).sum() == 99  # each group's pairs in one piece


def test_near_each_other_tells_two_catalogues_apart() -> None:
    rows = np.array([[0, 1], [1, 0], [2, 1], [3, 0]])
    order = near_each_other(rows, 4).tolist()
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset((0, 2)), frozenset((1, 3))}


def test_near_each_other_of_nothing() -> None:
    assert near_each_other(np.zeros((0, 2), dtype=int), None).tolist() == []
    assert near_each_other(np.zeros((0, 2), dtype=int), 5).tolist() == []
