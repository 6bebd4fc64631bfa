"""Category paths: from leaf probabilities to those of their parents."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_matrix

from ..core.arrays import Floats, Ints

SEPARATOR = " > "


def ancestors(class_names: Sequence[str], level: int) -> tuple[tuple[str, ...], Ints]:
    """Cut category paths to their first `level` levels.

    Returns
    -------
    tuple
        The distinct parents in order of appearance, and each class's place among them.
    """
    return _ancestors(tuple(class_names), level)


@lru_cache(maxsize=16)
def _ancestors(class_names: tuple[str, ...], level: int) -> tuple[tuple[str, ...], Ints]:
    cut = [SEPARATOR.join(name.split(SEPARATOR)[:level]) for name in class_names]
    parents = tuple(dict.fromkeys(cut))
    place = {parent: i for i, parent in enumerate(parents)}
    places = np.array([place[name] for name in cut], dtype=np.intp)
    places.flags.writeable = False  # it is shared
    return parents, places


def sum_by_parent(probabilities: Floats, places: Ints, n_parents: int) -> Floats:
    """Add up the probabilities of each parent's classes; shape ``(n, n_parents)``."""
    ones = np.ones(len(places), dtype=probabilities.dtype)
    own = csr_matrix((ones, (np.arange(len(places)), places)), (len(places), n_parents))
    return np.asarray(probabilities @ own)


def depth(class_names: Sequence[str]) -> int:
    """Count the levels of the deepest path."""
    return _depth(tuple(class_names))


@lru_cache(maxsize=16)
def _depth(class_names: tuple[str, ...]) -> int:
    return max((len(name.split(SEPARATOR)) for name in class_names), default=0)
