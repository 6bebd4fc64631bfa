"""Accept or review: the cut-off that keeps a promised precision.

Learn then test (Angelopoulos et al. 2021): thresholds are tested from strict to loose, each by an
exact binomial test. Several starting points share the allowed error; a threshold that passes hands
its share on to the next (the fallback procedure, Wiens 2003), so one wrong label among the surest
answers doesn't end the search, and what was shown before helps to show more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from ..core.arrays import Bools, Floats
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
    """

    threshold: float
    target_precision: float
    confidence: float
    coverage: float
    precision: float
    n_calibration: int

    def accepts(self, probability: Floats) -> Bools:
        """Decide; the shape of `probability` is kept."""
        return np.asarray(probability >= self.threshold)


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
            {"modalities": sorted(pattern), "levels": [asdict(rule) for rule in rules]}
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


def precision_lower_bound(n_right: int, n: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson bound: the true share is at least this, with `confidence`."""
    if n_right == 0 or n == 0:
        return 0.0
    return float(beta.ppf(1.0 - confidence, n_right, n - n_right + 1))


def fit_accept_rule(
    probability: Floats, right: Bools, target_precision: float = 0.97, confidence: float = 0.95
) -> AcceptRule:
    """Find the loosest threshold whose accepted answers are shown to be right often enough.

    Parameters
    ----------
    probability
        Shape ``(n,)``, the probability of each answer, from a model that hasn't seen the listing.
    right
        Shape ``(n,)``, whether the answer was right.
    target_precision, confidence
        The promise: with probability `confidence`, at least `target_precision` of what is accepted
        is right.

    Raises
    ------
    CalibrationError
        If there is no listing, or the shapes differ.
    """
    n = len(probability)
    if n == 0 or len(right) != n:
        raise CalibrationError(
            f"The accept rule needs one outcome for each of at least one probability, "
            f"got {n} probabilities and {len(right)} outcomes."
        )
    order = np.argsort(-probability, kind="stable")
    sorted_probability, n_right = probability[order], np.cumsum(right[order])
    starts = _promising(n, target_precision, confidence)
    own = {round(start * N_STEPS): (1.0 - confidence) / len(starts) for start in starts}
    allowed, best = 0.0, 0
    for step in range(1, N_STEPS + 1):
        allowed += own.get(step, 0.0)
        k = _with_ties(sorted_probability, max(1, round(step / N_STEPS * n)))
        shown = precision_lower_bound(int(n_right[k - 1]), k, 1.0 - allowed)
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
    )


def _promising(n: int, target_precision: float, confidence: float) -> list[float]:
    """Leave out starts with so few listings that not even a flawless record would prove anything.

    It depends on their number alone, not on the answers, so the error is shared fairly.
    """
    allowed = (1.0 - confidence) / len(STARTS)
    return [start for start in STARTS if target_precision ** round(start * n) <= allowed]


def _with_ties(descending: Floats, k: int) -> int:
    """Count the answers at least as probable as the k-th: a threshold can't part equals."""
    return int(np.searchsorted(-descending, -descending[k - 1], side="right"))
