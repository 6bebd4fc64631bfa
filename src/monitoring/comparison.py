"""Is the challenger better? Differences of paired answers, bounded at every look.

Each interval is by betting (see `fusion.confidence_sequence`) and holds at all moments together:
whoever watches may stop, promote or go on by what they see, and is wrong in one trial of twenty at
most, ever, for each row of the table. It counts answers in the order in which they came, as if each
were as likely to differ as those before.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from ..core.arrays import Floats
from ..fusion.confidence_sequence import confidence_sequence
from .pairs import Pairs, Reviewed, is_right

CONFIDENCE = 0.95
"""Of an interval, both of its ends together."""
MAX_DIFFERENCES = 20
Outcome: TypeAlias = Literal["better", "worse", "undecided"]


@dataclass(frozen=True)
class Interval:
    """A mean of n answers and where it truly lies, at every look; None and the whole range for 0.

    Of a difference, challenger minus champion, the range is -1 to 1.
    """

    n: int
    mean: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """What is known of a challenger by now.

    Parameters
    ----------
    agreement
        Share of listings of which both name the same category.
    same_decision
        Share of listings with the same decision.
    accepted
        Difference of accepted shares.
    right
        Difference of right answers, of listings that somebody has reviewed.
    n_right
        Role -> right answers among those.
    """

    agreement: Interval
    same_decision: Interval
    accepted: Interval
    right: Interval
    n_right: Mapping[str, int]

    def outcome(self, *, broken: bool = False) -> Outcome:
        """Say what that means; `broken`: it doesn't keep its promise, or is off.

        It is better, or as good, if the interval of right answers holds no loss.
        """
        if broken or self.right.high < 0:
            return "worse"
        return "better" if self.right.low >= 0 else "undecided"


def share_interval(values: Sequence[bool]) -> Interval:
    """Bound a share of answers."""
    return _interval(np.array(values, dtype=np.float64), 0.0, 1.0)


def difference_interval(challenger: Sequence[bool], champion: Sequence[bool]) -> Interval:
    """Bound how much oftener the challenger's answers have a property, of the same listings."""
    pairs = np.array([challenger, champion], dtype=np.float64).reshape(2, -1)
    return _interval(pairs[0] - pairs[1], -1.0, 1.0)


def compare(found: Pairs, reviews: Sequence[Reviewed] = ()) -> Comparison:
    """Compare two models by what they said of the same listings.

    Parameters
    ----------
    reviews
        In the order in which they were given; those of other listings are passed over.
    """
    pairs = found.pairs
    by_id = {pair.listing_id: pair for pair in pairs if pair.listing_id}
    judged = [(by_id[said.listing_id], said) for said in reviews if said.listing_id in by_id]
    right = {
        "champion": [is_right(pair.champion, said) for pair, said in judged],
        "challenger": [is_right(pair.challenger, said) for pair, said in judged],
    }
    return Comparison(
        agreement=share_interval([pair.same_category for pair in pairs]),
        same_decision=share_interval(
            [pair.champion["decision"] == pair.challenger["decision"] for pair in pairs]
        ),
        accepted=difference_interval(
            [pair.challenger["decision"] == "accept" for pair in pairs],
            [pair.champion["decision"] == "accept" for pair in pairs],
        ),
        right=difference_interval(right["challenger"], right["champion"]),
        n_right={name: sum(own) for name, own in right.items()},
    )


def differences(found: Pairs) -> list[dict[str, Any]]:
    """Count what they differ in, the commonest first."""
    counts = Counter(
        (pair.champion["category"] or "", pair.challenger["category"] or "")
        for pair in found.pairs
        if not pair.same_category
    )
    return [
        {"champion": one, "challenger": other, "n": n}
        for (one, other), n in counts.most_common(MAX_DIFFERENCES)
    ]


def _interval(values: Floats, least: float, most: float) -> Interval:
    width = most - least
    low, high = confidence_sequence((values - least) / width, (1 + CONFIDENCE) / 2)
    mean = float(values.mean()) if len(values) else None
    return Interval(len(values), mean, least + width * low, least + width * high)
