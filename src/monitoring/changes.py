"""How the log differs from its own beginning: what training doesn't tell, such as probabilities."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from ..core.arrays import Bools, Ints
from .batch import share_p_value
from .logged import LoggedListings

BASELINE = 300
"""The first so many listings of a log are what later ones are compared with."""
MIN_COMPARED = 50


def changes(
    logged: LoggedListings, kept: Ints, slices: dict[str, Bools]
) -> Iterator[tuple[str, str, int, float, str]]:
    """Compare categories, probabilities and duplicates with those of the log's beginning.

    Parameters
    ----------
    kept
        Logged listings that count; see `logged.once`.
    slices
        Name -> which of the logged listings, shape ``(m,)``.

    Yields
    ------
    str, str, int, float, str
        Slice, what is compared, how many listings, a p-value (for categories the smallest, times
        their number), and what was seen, in words.
    """
    usable = [row for row in kept.tolist() if logged.rows[row]["decision"] != "rejected"]
    before = [logged.rows[row] for row in usable[:BASELINE]]
    if len(before) < MIN_COMPARED:
        return
    for name, chosen in slices.items():
        now = [logged.rows[row] for row in usable[BASELINE:] if chosen[row]]
        if len(now) < MIN_COMPARED:
            continue
        yield name, "categories", len(now), *_categories(before, now)
        yield name, "probabilities", len(now), *_probabilities(before, now)
        yield name, "duplicates", len(now), *_duplicates(before, now)


def _categories(before: Sequence[Any], now: Sequence[Any]) -> tuple[float, str]:
    then, here = (Counter(row["category"] or "" for row in rows) for rows in (before, now))
    names = sorted({*then, *here})
    found = [share_p_value(here[name], len(now), then[name], len(before)) for name in names]
    best = int(np.argmin(found))
    said = _said(names[best], then[names[best]] / len(before), here[names[best]] / len(now))
    return min(1.0, len(names) * found[best]), said


def _probabilities(before: Sequence[Any], now: Sequence[Any]) -> tuple[float, str]:
    then, here = (
        np.array([row["probability"] for row in rows], dtype=np.float64) for rows in (before, now)
    )
    then, here = then[np.isfinite(then)], here[np.isfinite(here)]
    if not len(then) or not len(here):
        return 1.0, ""
    p = float(mannwhitneyu(then, here).pvalue)
    return p, f"median {np.median(then):.1%}, now {np.median(here):.1%}"


def _duplicates(before: Sequence[Any], now: Sequence[Any]) -> tuple[float, str]:
    then, here = (sum(row["n_duplicates"] > 0 for row in rows) for rows in (before, now))
    said = _said("in the catalogue already", then / len(before), here / len(now))
    return share_p_value(here, len(now), then, len(before)), said


def _said(what: str, before: float, now: float) -> str:
    return f"{what}: {before:.1%}, now {now:.1%}"
