"""Category paths: from leaf probabilities to those of their parents."""

from collections.abc import Sequence

import numpy as np

from ..core.arrays import Floats

SEPARATOR = " > "


def ancestors(class_names: Sequence[str], level: int) -> tuple[tuple[str, ...], list[int]]:
    """Cut category paths to their first `level` levels.

    Returns
    -------
    tuple
        The distinct parents in order of appearance, and each class's place among them.
    """
    cut = [SEPARATOR.join(name.split(SEPARATOR)[:level]) for name in class_names]
    parents = tuple(dict.fromkeys(cut))
    place = {parent: i for i, parent in enumerate(parents)}
    return parents, [place[name] for name in cut]


def sum_by_parent(probabilities: Floats, places: Sequence[int], n_parents: int) -> Floats:
    """Add up the probabilities of each parent's classes; shape ``(n, n_parents)``."""
    summed = np.zeros((probabilities.shape[0], n_parents), dtype=probabilities.dtype)
    np.add.at(summed.T, list(places), probabilities.T)
    return summed


def depth(class_names: Sequence[str]) -> int:
    """Count the levels of the deepest path."""
    return max((len(name.split(SEPARATOR)) for name in class_names), default=0)
