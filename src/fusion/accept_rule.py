"""Accept or review: the cut-off that keeps a promised precision.

Learn then test (Angelopoulos et al. 2021): thresholds are tested from strict to loose, each by a
binomial test. Several starting points share the allowed error; a threshold that passes hands its
share on to the next (the fallback procedure, Wiens 2003), so one wrong label among the surest
answers doesn't end the search, and what was shown before helps to show more.

Listings of one group (a product listed twice, a seller, a session of photos) are right or wrong
together, so what counts as an observation is a group: the test is the exact one at as many
observations as groups of unequal size are worth (Kish 1965; Korn & Graubard 1998). With every
listing a group of its own it is the plain binomial test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv

from ..core.arrays import Bools, Floats, Ints
from ..core.errors import CalibrationError
from .views import Modalities

STARTS = (0.1, 0.3, 0.5, 0.7)
"""Shares of the listings whose test has an allowed error of its own."""
N_STEPS = 100


@dataclass(frozen=True)
class AcceptRule:
    """Accept an answer whose probability is at least `threshold`.

    Parameters
    ----------
    threshold
        0 to 1; above 1 accepts nothing, because no threshold could be shown to keep the promise.
    target_precision
        Share of accepted answers that shall be right.
    confidence
        Probability, over calibration listings, that the promise holds.
    coverage
        Share of the calibration listings that were accepted.
    precision
        Share of those that were right; NaN-free: 0 if none was accepted.
    n_calibration
        Number of calibration listings.
    n_groups
        Number of groups that they form; None in a bundle from before groups were counted.
    n_groups_needed
        So many of them had to be accepted, without a mistake, for anything to be shown.
    showable
        Where nothing is accepted: the precision that could be promised; see `showable_precision`.
    """

    threshold: float
    target_precision: float
    confidence: float
    coverage: float
    precision: float
    n_calibration: int
    n_groups: int | None = None
    n_groups_needed: int | None = None
    showable: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON values; `showable` only where there is one."""
        fields = asdict(self)
        return fields if self.showable else {k: v for k, v in fields.items() if k != "showable"}

    def accepts(self, probability: Floats) -> Bools:
        """Decide; the shape of `probability` is kept."""
        return np.asarray(probability >= self.threshold)


@dataclass(frozen=True)
class Examples:
    """How many training listings stand behind each category, and how many an acceptance needs.

    Parameters
    ----------
    counts
        Shape ``(n_categories,)``; a parent has those of all its categories.
    needed
        With fewer, an answer isn't accepted, however sure.
    """

    counts: Ints
    needed: int = 0

    def of_parents(self, places: Ints, n_parents: int) -> "Examples":
        """Count a higher level's; see `hierarchy.ancestors`."""
        counts = np.bincount(places, self.counts, n_parents).astype(int)
        return Examples(counts, self.needed)

    def enough(self, columns: Ints) -> Bools:
        """Tell for each column whether its category may be accepted; the shape is kept."""
        return np.asarray(self.counts[columns] >= self.needed)


@dataclass(frozen=True)
class Rules:
    """One accept rule for each pattern of modalities and each level of the category path."""

    by_pattern: Mapping[Modalities, tuple[AcceptRule, ...]]

    @property
    def modalities(self) -> Modalities:
        """Every modality that a rule is about."""
        return frozenset().union(*self.by_pattern)

    def for_pattern(self, pattern: Modalities) -> tuple[AcceptRule, ...]:
        """Rules from the first level to the deepest; empty (accept nothing) if none was fitted."""
        return self.by_pattern.get(pattern, ())

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {"modalities": sorted(pattern), "levels": [rule.to_json() for rule in rules]}
            for pattern, rules in self.by_pattern.items()
        ]

    @classmethod
    def from_json(cls, values: Sequence[Mapping[str, Any]]) -> "Rules":
        return cls(
            {
                frozenset(v["modalities"]): tuple(AcceptRule(**rule) for rule in v["levels"])
                for v in values
            }
        )


NEVER = 2.0


def precision_lower_bound(n_right: float, n: float, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson bound: the true share is at least this, with `confidence`.

    Of clustered listings, `n` is what they are worth; see `effective_numbers`.
    """
    if n_right <= 0 or n <= 0:
        return 0.0
    return float(betaincinv(n_right, n - n_right + 1, 1.0 - confidence))


def effective_numbers(groups: Ints) -> Floats:
    """Tell how many groups of equal size the first 1, 2, ... n listings are worth (Kish 1965).

    Parameters
    ----------
    groups
        Shape ``(n,)``, each listing's group.

    Returns
    -------
    Floats
        Shape ``(n,)``, 1 to the number of groups so far; as many only if all are of one size.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    nth_of_group = np.empty(len(groups))
    nth_of_group[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    squares = np.cumsum(2 * nth_of_group + 1)  # of the sizes so far
    return np.asarray(np.arange(1, len(groups) + 1) ** 2 / squares)


def n_flawless(target_precision: float, confidence: float) -> int:
    """Count the observations without a mistake that it takes to show a precision."""
    return math.ceil(math.log(1.0 - confidence) / math.log(target_precision))


def fit_accept_rule(
    probability: Floats,
    right: Bools,
    target_precision: float = 0.97,
    confidence: float = 0.95,
    *,
    groups: Ints | None = None,
) -> AcceptRule:
    """Find the loosest threshold whose accepted answers are shown to be right often enough.

    Parameters
    ----------
    probability
        Shape ``(n,)``, the probability of each answer, from a model that hasn't seen the listing,
        nor others of its group.
    right
        Shape ``(n,)``, whether the answer was right.
    target_precision, confidence
        The promise: with probability `confidence`, at least `target_precision` of what is accepted
        is right, among listings of groups drawn like these.
    groups
        Shape ``(n,)``, numbers from 0: listings of one number are right or wrong together. None:
        each listing is a group of its own.

    Raises
    ------
    CalibrationError
        If there is no listing, or the shapes differ.
    """
    n = len(probability)
    groups = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    if n == 0 or len(right) != n or len(groups) != n:
        raise CalibrationError(
            f"The accept rule needs one outcome and one group for each of at least one "
            f"probability, got {n} probabilities, {len(right)} outcomes and {len(groups)} groups."
        )
    order = np.lexsort((groups, -probability))
    sorted_probability, n_right = probability[order], np.cumsum(right[order])
    cuts = [
        _with_ties(sorted_probability, max(1, round(step / N_STEPS * n)))
        for step in range(1, N_STEPS + 1)
    ]
    worth = effective_numbers(groups[order])[np.array(cuts) - 1].tolist()
    own = _shares(worth, target_precision, confidence)
    allowed, best = 0.0, 0
    for step, (k, n_effective) in enumerate(zip(cuts, worth, strict=True), start=1):
        allowed += own.get(step, 0.0)
        share_right = float(n_right[k - 1] / k)
        shown = precision_lower_bound(share_right * n_effective, n_effective, 1.0 - allowed)
        if allowed and shown >= target_precision:
            best = k
        else:
            allowed = 0.0
    return AcceptRule(
        threshold=float(sorted_probability[best - 1]) if best else NEVER,
        target_precision=target_precision,
        confidence=confidence,
        coverage=best / n,
        precision=float(n_right[best - 1] / best) if best else 0.0,
        n_calibration=n,
        n_groups=int(groups.max()) + 1,
        n_groups_needed=n_flawless(target_precision, confidence),
    )


def showable_precision(
    probability: Floats, right: Bools, target_precision: float, confidence: float, groups: Ints
) -> float | None:
    """Find what could be promised in place of a target that can't; parameters as above.

    The highest precision in whole percents, .8 or more, with which a tenth of the listings or more
    would be accepted; None if there is none.
    """
    for percent in range(math.ceil(100 * target_precision) - 1, 79, -1):
        rule = fit_accept_rule(probability, right, percent / 100, confidence, groups=groups)
        if rule.coverage >= 0.1:
            return percent / 100
    return None


def _shares(worth: Sequence[float], target_precision: float, confidence: float) -> dict[int, float]:
    """Share the allowed error among starts at which a flawless record would prove something.

    Where none does, all of it is for the first step at which one would.
    It depends on groups and probabilities alone, not on what was right, so it is shared fairly.
    """
    steps = [round(start * N_STEPS) for start in STARTS]
    for first in range(len(steps)):
        allowed = (1.0 - confidence) / (len(steps) - first)
        if target_precision ** worth[steps[first] - 1] <= allowed:
            return dict.fromkeys(steps[first:], allowed)
    flawless = [target_precision**own <= 1.0 - confidence for own in worth]
    return {flawless.index(True) + 1 if any(flawless) else N_STEPS: 1.0 - confidence}


def _with_ties(descending: Floats, k: int) -> int:
    """Count the answers at least as probable as the k-th: a threshold can't part equals."""
    return int(np.searchsorted(-descending, -descending[k - 1], side="right"))
