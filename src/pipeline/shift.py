"""Has what comes in drifted away from what training saw? A test that may be looked at any time.

Each listing's p-value says how ordinary it is for the catalogue. As long as listings come from
where the training listings came from, p-values are spread evenly; a stream of small ones is a
drift. A conformal test martingale (Vovk et al. 2021, "Retrain or not retrain: conformal test
martingales for change-point detection", the Simple Jumper) bets on small ones: its capital stays
about 1 without a drift, and exceeds 1 / p with probability p at most, however long it is watched
(Ville 1939). Listings that the detector refuses are passed over: they are held anyway, and a wave
of them must not stop what belongs.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from .verdict import Shift, Verdict

OnShift: TypeAlias = Literal["review", "warn", "ignore"]

STAKE = 1.5
"""How hard small p-values are betted on, 0 to 2."""
TOLERANCE = 0.05
"""A drift that lowers the mean p-value, .5, by up to this doesn't matter, and isn't found, however
many listings there are."""
JUMP = 0.01
"""Share of the capital that changes sides at each listing, so that a late change is found too."""
ALARM = 0.01


class ShiftDetector:
    """Watches a stream of p-values.

    Parameters
    ----------
    n_calibration
        Number of listings, or groups, that p-values are ranks among. Few of them may be more
        ordinary than all by chance, so the fewer they are, the more is tolerated: two standard
        errors of the mean p-value.
    alpha
        Up to this p-value listings are refused.
    """

    def __init__(self, n_calibration: float, alpha: float = 0.0) -> None:
        self._alpha = alpha
        self._allowance = max(TOLERANCE, 1.0 / math.sqrt(3.0 * max(n_calibration, 1.0)))
        self._bold, self._idle = 0.5, 0.5
        self._peak = 1.0
        self.n_watched = 0

    def watch(self, p_values: Iterable[float]) -> "ShiftDetector":
        """Go on with these, in the order in which they came; unknown ones (NaN) are passed over."""
        for one in p_values:
            if not one > self._alpha:
                continue
            self.n_watched += 1
            p = (one - self._alpha) / (1.0 - self._alpha)  # as evenly spread among what is left
            total = self._bold + self._idle
            bold = (1 - JUMP) * self._bold + JUMP * total / 2
            self._idle = (1 - JUMP) * self._idle + JUMP * total / 2
            self._bold = bold * (1.0 + STAKE * (0.5 - min(1.0, p + self._allowance)))
            self._peak = max(self._peak, self._bold + self._idle)
            if self._peak > 1e100:  # it can't be surer than that
                break
        return self

    def watch_verdicts(self, verdicts: Iterable[Verdict]) -> "ShiftDetector":
        """Go on with the listings of these verdicts."""
        return self.watch(
            math.nan if verdict.ood_p_value is None else verdict.ood_p_value for verdict in verdicts
        )

    @property
    def p_value(self) -> float:
        """How likely a stream without a drift looks like this at any time, at most; 0 to 1."""
        return min(1.0, 1.0 / self._peak)

    @property
    def shift(self) -> Shift | None:
        """What has drifted; None as long as nothing has."""
        if self.p_value > ALARM:
            return None
        return Shift(
            p_value=self.p_value,
            what="These listings look stranger than those it was trained on: another kind of "
            "seller, photo or product.",
        )


def hold(verdicts: Sequence[Verdict], shift: Shift | None, on_shift: OnShift) -> list[Verdict]:
    """Let verdicts say that listings have drifted; what would be accepted needs a look then.

    Parameters
    ----------
    on_shift
        ``review`` accepts nothing any more, ``warn`` only says it.
    """
    if shift is None or on_shift == "ignore":
        return list(verdicts)
    return [_held(verdict, shift, on_shift) for verdict in verdicts]


def _held(verdict: Verdict, shift: Shift, on_shift: OnShift) -> Verdict:
    if verdict.decision == "rejected":
        return verdict
    if verdict.decision != "accept" or on_shift == "warn":
        return verdict.model_copy(update={"shift": shift})
    reasons = (shift.reason, *verdict.reasons)
    return verdict.model_copy(update={"shift": shift, "decision": "review", "reasons": reasons})
