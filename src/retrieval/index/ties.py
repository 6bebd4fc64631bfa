"""Which of equally near rows are the nearest: the first ones, however they were asked for.

FAISS leaves open which copies of a vector it gives where there are more than are wanted, and a
batch goes another way than a single query does.
"""

from collections.abc import Callable

import numpy as np

from ...core.arrays import Floats, Ints

ROUNDING = 2e-6
"""Cosines that differ by less are equal: a batch is rounded otherwise than a single query."""

Within = Callable[[int, float], tuple[Floats, Ints]]
"""Query's place and a cosine -> the cosines and rows of all that are at least as near."""


def first_of_equals(
    similarities: Floats, rows: Ints, k: int, within: Within
) -> tuple[Floats, Ints]:
    """Put equally near rows in their order, and let the first of them be among the nearest.

    Parameters
    ----------
    similarities, rows
        Shape ``(n_queries, k + 1)`` or less, the nearest first; rows that aren't there are -1.
    k
        How many are wanted.
    within
        Finds all that are as near as the last one, where there may be more.

    Returns
    -------
    Floats, Ints
        Shape ``(n_queries, k)`` or less.
    """
    near, who = similarities[:, :k].copy(), rows[:, :k].copy()
    equal = (np.diff(similarities, axis=1) > -ROUNDING) & (rows[:, 1:] >= 0)
    for query in np.flatnonzero(equal.any(axis=1)).tolist():
        own, own_rows = similarities[query], rows[query]
        if rows.shape[1] > k and equal[query, k - 1]:
            own, own_rows = within(query, float(own[k - 1]) - ROUNDING)
        order = np.argsort(-own, kind="stable")
        own, own_rows = own[order], own_rows[order]
        apart = np.concatenate([[False], np.diff(own) <= -ROUNDING])
        order = np.lexsort((own_rows, np.cumsum(apart)))[:k]
        near[query], who[query] = own[order], own_rows[order]
    return near, who
