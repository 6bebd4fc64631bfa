"""Which listings train and which test, from one retraining to the next."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from ...catalog.splits import split_indices
from ...core.arrays import Bools, Ints
from ...embedding.grouping import Grouping

Part: TypeAlias = Literal["train", "test", "aside"]
"""``aside``: neither; a duplicate of a test listing mustn't train, nor be tested on if it has."""


def stable_parts(
    before: Mapping[str, Part],
    listing_ids: Sequence[str],
    categories: Sequence[str],
    grouping: Grouping,
    test_fraction: float,
    seed: int,
) -> list[Part]:
    """Assign each listing to a part; what was a test listing stays one, come what may.

    New listings follow the old ones of their group: to the test part if all of those are in it,
    else to training. Groups that are all new are divided in proportion. Then whatever trains and is
    a duplicate of a test listing is set aside, so that tests stay fair whatever is added.

    Parameters
    ----------
    before
        Listing id -> its part so far; listings that were set aside come back when they may.
    categories
        Each listing's category, as far down as parts shall have all in proportion.
    grouping
        Of the same listings.
    test_fraction
        Share of new listings that is to test, above 0 and below 1.
    """
    was = [before.get(name) for name in listing_ids]
    testing = np.array([part == "test" for part in was], dtype=bool)
    training = np.array([part in {"train", "aside"} for part in was], dtype=bool)
    fresh = ~testing & ~training
    for groups in (grouping.duplicates, grouping.groups):  # the closest relatives decide
        tests, trains = _marked(groups, testing), _marked(groups, training)
        undecided = fresh & ~testing & ~training
        testing |= undecided & tests & ~trains
        training |= undecided & trains
    rows = np.flatnonzero(fresh & ~testing & ~training)
    if len(rows):
        shares = {"train": 1 - test_fraction, "test": test_fraction}
        names = [categories[row] for row in rows.tolist()]
        testing[rows[split_indices(names, grouping.groups[rows], shares, seed)["test"]]] = True
    aside = ~testing & _marked(grouping.duplicates, testing)
    return ["test" if t else "aside" if a else "train" for t, a in zip(testing, aside, strict=True)]


def _marked(groups: Ints, rows: Bools) -> Bools:
    """Tell for each listing whether any of its group is among `rows`."""
    return np.isin(groups, groups[rows])
