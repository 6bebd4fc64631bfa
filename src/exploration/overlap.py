"""Which categories are taken for each other, and how surely: a pair that nobody can tell apart."""

from dataclasses import dataclass

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..fusion.accept_rule import effective_numbers

HALF_CHANCE = 0.25
"""Two categories that are the same are told apart wrongly in half of the cases; this is half way
from never to there."""
N_DRAWS = 4000


@dataclass(frozen=True)
class CategoryPair:
    """How often two categories are taken for each other.

    Parameters
    ----------
    a, b
        Columns, `a` the smaller number.
    confusion, low, high
        Of listings of the two, equally many of each, the share that looks more like the other one:
        0 (never) to 0.5 (no difference), with its 95 % interval.
    n_confused, n
        Such listings, and how many both have.
    """

    a: int
    b: int
    confusion: float
    low: float
    high: float
    n_confused: int
    n: int

    @property
    def overlaps(self) -> bool:
        """Whether they are nearer to one category than to two, beyond chance."""
        return self.low > HALF_CHANCE


def category_pairs(
    probabilities: Floats, labels: Ints, groups: Ints, keep: Bools | None = None, *, seed: int = 0
) -> list[CategoryPair]:
    """Compare every two categories of which some listing is taken for the other.

    Parameters
    ----------
    probabilities
        Held-out, shape ``(n, n_categories)``.
    groups
        Shape ``(n,)``: listings of one group are right or wrong together, so groups are counted.
    keep
        Shape ``(n,)``: which listings count, such as those whose label isn't wrong.

    Returns
    -------
    list of CategoryPair
        The most confused pair first, by the interval's lower end.
    """
    kept = np.flatnonzero(np.ones(len(labels), bool) if keep is None else keep)
    rng = np.random.default_rng(seed)
    answers = probabilities[kept].argmax(axis=1)
    missed = {
        (min(pair), max(pair))
        for pair in zip(labels[kept].tolist(), answers.tolist(), strict=True)
        if pair[0] != pair[1]
    }
    pairs = []
    for a, b in sorted(missed):
        shares, draws, n_confused, n = [], [], 0, 0
        for own, other in ((a, b), (b, a)):
            rows = kept[labels[kept] == own]
            if not len(rows):
                continue
            confused = probabilities[rows, other] > probabilities[rows, own]
            shares.append(float(confused.mean()))
            draws.append(share_draws(confused, groups[rows], rng))
            n_confused, n = n_confused + int(confused.sum()), n + len(rows)
        low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
        pairs.append(
            CategoryPair(a, b, float(np.mean(shares)), float(low), float(high), n_confused, n)
        )
    return sorted(pairs, key=lambda pair: (-pair.low, -pair.confusion, pair.a, pair.b))


def share_draws(hits: Bools, groups: Ints, rng: np.random.Generator) -> Floats:
    """Draw what the share of hits may be (Jeffreys' posterior), by what the groups are worth.

    Returns
    -------
    Floats
        Shape ``(4000,)``.
    """
    n = float(effective_numbers(groups)[-1])
    n_hits = float(hits.mean()) * n
    return rng.beta(n_hits + 0.5, n - n_hits + 0.5, N_DRAWS)


def mistaken_for(answers: Ints, labels: Ints, n_categories: int) -> list[tuple[int, int] | None]:
    """Name for each category the one that its listings are most often taken for, and how often.

    Returns
    -------
    list
        ``(column, n_listings)`` by category, None where none is mistaken.
    """
    counts = np.zeros((n_categories, n_categories), dtype=int)
    np.add.at(counts, (labels, answers), 1)
    np.fill_diagonal(counts, 0)
    return [(int(row.argmax()), int(row.max())) if row.any() else None for row in counts]
