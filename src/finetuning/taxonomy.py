"""What is learned: the finest categories that have enough photos, and what they add up to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..catalog.listing import category_levels, category_prefix
from ..core.arrays import Floats, Ints
from ..core.errors import TrainingError

OUTSIDE = "(outside)"


@dataclass(frozen=True)
class Taxonomy:
    """The network's outputs, "leaves", and the categories of each level as sums of leaves.

    One softmax over the leaves answers all levels, so they can't contradict each other.

    Parameters
    ----------
    leaves
        Category paths in the order of the outputs; `OUTSIDE`, if there is one, comes last.
    levels
        How many levels are told apart.
    """

    leaves: tuple[str, ...]
    levels: int

    @cached_property
    def groups(self) -> Ints:
        """Shape ``(levels, n_leaves)``: each leaf's category at each level, numbered from 0."""
        rows = [
            np.unique([category_prefix(leaf, level) for leaf in self.leaves], return_inverse=True)[
                1
            ]
            for level in range(1, self.levels + 1)
        ]
        return np.array(rows)

    @property
    def sums(self) -> list[Floats]:
        """For each level a matrix ``(n_leaves, n_categories)`` that adds leaves up."""
        return [np.eye(row.max() + 1, dtype=np.float32)[row] for row in self.groups]


def find_leaves(
    categories: Sequence[str], levels: int, min_examples: int, *, outside: bool = False
) -> tuple[Taxonomy, Ints]:
    """Name each listing's deepest category that has enough listings.

    Parameters
    ----------
    categories
        Whole category paths.
    outside
        Whether there is an output for things that the catalogue doesn't sell.

    Returns
    -------
    Taxonomy, Ints
        With as many levels as tell more apart than the level above; and each listing's leaf, shape
        ``(n,)``, -1 where even its first level is too rare.

    Raises
    ------
    TrainingError
        If fewer than two leaves are left.
    """
    own = [
        [category_prefix(c, depth) for depth in range(min(levels, len(category_levels(c))), 0, -1)]
        for c in categories
    ]
    counts = Counter(prefix for prefixes in own for prefix in prefixes)
    deepest = [next((p for p in prefixes if counts[p] >= min_examples), None) for prefixes in own]
    leaves = sorted({leaf for leaf in deepest if leaf is not None})
    if len(leaves) < 2:
        raise TrainingError(
            f"Fine-tuning needs at least 2 categories with {min_examples} photos or more, but "
            f"{len(leaves)} of {len(set(categories))} have them. Add listings, or lower "
            "min_examples."
        )
    column: dict[str | None, int] = {leaf: i for i, leaf in enumerate(leaves)}
    labels = np.array([column.get(leaf, -1) for leaf in deepest], dtype=np.int64)
    n_per_level = [len({category_prefix(x, n) for x in leaves}) for n in range(1, levels + 1)]
    useful = n_per_level.index(max(n_per_level)) + 1
    return Taxonomy((*leaves, *([OUTSIDE] if outside else [])), useful), labels
