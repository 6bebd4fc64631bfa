"""Split a catalogue into parts or folds, by category, with duplicates kept together."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..core.arrays import Floats, Ints
from .groups import duplicate_groups

__all__ = ["duplicate_groups", "group_folds", "split_indices"]


def split_indices(
    categories: Sequence[str], groups: Ints, fractions: Mapping[str, float], seed: int
) -> dict[str, Ints]:
    """Split listings into named parts.

    Each category is spread over the parts in proportion, as far as whole groups allow, and so are
    groups of each size: what is asked in ``test`` is as often a duplicate, and as hard, as what
    taught. Where there is a part ``train``, every category is in it: what a model never saw, it
    can't be calibrated or tested on.

    Parameters
    ----------
    categories
        Each listing's category.
    groups
        Shape ``(n_listings,)``; listings of one number stay together (see `duplicate_groups`).
    fractions
        Part -> its share of the listings, above 0; together they are 1.
    seed
        The same input and seed give the same split.

    Returns
    -------
    dict of str to Ints
        Part -> places of its listings, rising; every listing is in one part.
    """
    shares = np.array(list(fractions.values()), dtype=float)
    if not len(shares) or not (shares > 0).all() or not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"fractions must be above 0 and sum to 1, but are {dict(fractions)}.")
    parts = list(fractions)
    first = parts.index("train") if "train" in parts else None
    assigned = _assign(categories, groups, shares, first, seed, draw=True)
    return {name: np.flatnonzero(assigned == part) for part, name in enumerate(parts)}


def group_folds(categories: Sequence[str], groups: Ints, n_folds: int, seed: int) -> Ints:
    """Number each listing's fold, for predictions by models that saw none of its duplicates.

    Parameters
    ----------
    categories, groups, seed
        As for `split_indices`.
    n_folds
        2 or more, and no more than there are groups.

    Returns
    -------
    Ints
        Shape ``(n_listings,)``, from 0 to ``n_folds - 1``; no fold is empty.
    """
    n_groups = len(np.unique(groups))
    if not 2 <= n_folds <= n_groups:
        raise ValueError(
            f"n_folds must be from 2 to the number of groups, {n_groups}, but is {n_folds}."
        )
    return _assign(categories, groups, np.full(n_folds, 1 / n_folds), None, seed, draw=False)


def _assign(
    categories: Sequence[str],
    groups: Ints,
    shares: Floats,
    first: int | None,
    seed: int,
    *,
    draw: bool,
) -> Ints:
    """Give every group to a part that lacks listings of its category; return each listing's part.

    Scikit-learn's StratifiedGroupKFold knows equal parts only, warns of rare categories, and looks
    at every part and category for every group. Here a category's groups are dealt out largest
    first, and what whole groups left uneven is carried over to the next category, so the sizes of
    the parts come out right too. The carry is held to one listing: it must not upset a category.

    The part that lacks most gets the group, which makes folds even. Of unequal parts the largest
    would get all large groups so; with `draw`, a part's chance is what it lacks, and each group
    falls into each part as often as the part's share says.
    """
    if len(categories) != len(groups):
        raise ValueError(
            f"every listing must have a category and a group, but there are {len(categories)} "
            f"categories and {len(groups)} groups."
        )
    members: dict[int, Counter[str]] = {}
    for category, group in zip(categories, groups.tolist(), strict=True):
        members.setdefault(group, Counter())[category] += 1
    owned: dict[str, list[int]] = {}
    for group in sorted(members):
        owned.setdefault(members[group].most_common(1)[0][0], []).append(group)
    n_groups_with = Counter(category for count in members.values() for category in count)
    lacking = set(n_groups_with)

    rng = np.random.default_rng(seed)
    part_of: dict[int, int] = {}
    carry = np.zeros(len(shares))
    categories_in_turn = sorted(owned)
    rng.shuffle(categories_in_turn)
    for category in categories_in_turn:
        shuffled = rng.permutation(owned[category])
        sizes = {group: members[group].total() for group in shuffled.tolist()}
        wanted = shares * sum(sizes.values())
        need = wanted + np.clip(carry, -1, 1)
        carry += wanted
        for group in sorted(sizes, key=sizes.__getitem__, reverse=True):
            part = int(np.lexsort((carry, need.round(9)))[-1])
            if draw and need[part] > 0:
                part = int(rng.choice(len(shares), p=need.clip(0) / need.clip(0).sum()))
            if first is not None and any(
                n_groups_with[own] == 1 for own in lacking & members[group].keys()
            ):
                part = first  # the last chance
            if part == first:
                lacking -= members[group].keys()
            n_groups_with.subtract(members[group].keys())
            part_of[group] = part
            need[part] -= sizes[group]
            carry[part] -= sizes[group]
    return np.array([part_of[group] for group in groups.tolist()], dtype=np.intp)
