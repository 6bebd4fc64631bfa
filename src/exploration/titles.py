"""Titles that say nothing of the category."""

from collections.abc import Sequence

import numpy as np

from ..catalog.groups import title_key
from ..core.arrays import Bools, Floats, Ints

LEFT = 0.9
"""A title says nothing if it leaves so much of the uncertainty about the category."""
MANY = 3
"""Categories that share one title; then it names none of them."""


def uncertainty_left(probabilities: Floats, labels: Ints) -> Floats:
    """Tell how much of the uncertainty about the category each title leaves.

    Parameters
    ----------
    probabilities
        Held-out, by the title alone, shape ``(n, n_categories)``.
    labels
        Shape ``(n,)``: their shares are what is known without a title.

    Returns
    -------
    Floats
        Shape ``(n,)``: the answer's entropy by that of the shares; 1 and more: nothing was learned.
    """
    shares = np.bincount(labels, minlength=probabilities.shape[1]) / len(labels)
    known = _entropy(shares[None])[0]
    return np.asarray(_entropy(probabilities) / max(known, np.finfo(float).tiny))


def shared_titles(titles: Sequence[str | None], categories: Sequence[str]) -> dict[str, set[str]]:
    """Find titles that listings of three categories or more have; spellings aside.

    Returns
    -------
    dict
        Title, as `title_key` writes it -> its categories.
    """
    found: dict[str, set[str]] = {}
    for title, category in zip(titles, categories, strict=True):
        key = title_key(title)
        if key is not None:
            found.setdefault(key, set()).add(category)
    return {key: named for key, named in found.items() if len(named) >= MANY}


def says_nothing(left: Floats, heard: Bools) -> Bools:
    """Tell which titles that are there leave nearly all open; shape ``(n,)``."""
    return np.asarray(heard & (left >= LEFT))


def _entropy(probabilities: Floats) -> Floats:
    safe = np.maximum(probabilities, np.finfo(float).tiny)
    return np.asarray(-(probabilities * np.log(safe)).sum(axis=1))
