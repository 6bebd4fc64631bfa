"""A stream of p-values that may be looked at any time: a test martingale that never lies twice.

It bets at fair odds that small p-values come too often: on several shares of strangers, and on
several cut-offs below which their p-values lie. Half of the capital bets from the first listing on,
of the rest a little more begins at each, so that a late change is found too. As long as p-values
are independent and evenly spread, the capital grows beyond 100 in at most 1 stream of 100, however
long it is watched (Ville 1939).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats

SHARES = (0.05, 0.3)
CUT_OFFS = (0.003, 0.01, 0.03, 0.1, 0.3)
BEGINNING = 0.002
"""Share of the capital that still waits, which begins to bet at each listing."""
ALARM = 0.01


@dataclass(frozen=True)
class StreamResult:
    """What a stream has shown.

    Parameters
    ----------
    capital
        Shape ``(n,)``, after each listing; it began with 1.
    """

    capital: Floats

    @property
    def p_value(self) -> float:
        """How likely a stream without a drift ever looks like this, at most; 0 to 1."""
        return float(min(1.0, 1.0 / max(1.0, self.capital.max(initial=1.0))))

    def alarm_at(self, alarm: float = ALARM) -> int | None:
        """Give the first place, from 0, at which that p-value is `alarm` at most; None if never."""
        beyond = np.flatnonzero(self.capital >= 1.0 / alarm)
        return int(beyond[0]) if len(beyond) else None


def bet(p_values: Floats) -> StreamResult:
    """Bet on a stream of p-values, in the order in which they came; NaN stands for no listing."""
    shares, cut_offs = (grid.ravel() for grid in np.meshgrid(SHARES, CUT_OFFS))
    betting, waiting = np.full(len(shares), 0.5 / len(shares)), 0.5
    capital = np.empty(len(p_values))
    for place, p in enumerate(p_values.tolist()):
        if not math.isnan(p):
            begins = BEGINNING * waiting
            waiting -= begins
            betting += begins / len(betting)
            betting *= 1.0 - shares + shares / cut_offs * (p <= cut_offs)
            betting = np.minimum(betting, 1e100)
        capital[place] = waiting + betting.sum()
    return StreamResult(capital)


def together(streams: Sequence[StreamResult], weights: Sequence[float]) -> StreamResult:
    """Share the first capital out among streams of the same listings; one alarm for all.

    `weights` say how much each gets, and needn't add up to 1.
    """
    capitals = [stream.capital for stream in streams]
    return StreamResult(np.average(capitals, axis=0, weights=weights))
