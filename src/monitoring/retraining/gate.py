"""Whether a retrained bundle may follow the champion, or be tried beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluation.intervals import PairedDifference
from ...evaluation.paired_comparison import Comparison


@dataclass(frozen=True)
class Gate:
    """A bundle's comparisons with the champion, on listings that neither has learned.

    Parameters
    ----------
    overall
        On all test listings; None where there is no champion yet.
    newest
        On the newest answers among them; None where those are too few to show anything.
    """

    overall: Comparison | None
    newest: Comparison | None

    @property
    def first(self) -> bool:
        """Whether there was nothing to compare with."""
        return self.overall is None

    @property
    def no_loss(self) -> bool:
        """Whether the interval over all holds no loss, and that of the newest isn't all loss."""
        if self.overall is None:
            return True
        worse_lately = self.newest is not None and self.newest.difference.high < 0
        return self.overall.excludes_loss and not worse_lately

    @property
    def gain(self) -> bool:
        """Whether it is the first, or the interval over all holds only gains, with `no_loss`.

        Of bundles that are alike each would lose in half of all cases, if by little.
        """
        if self.overall is None:
            return True
        return self.no_loss and self.overall.difference.low > 0

    @property
    def worth_a_trial(self) -> bool:
        """Whether nothing is lost, or the newest only gain.

        After a drift the newest answers are what comes in, and most test listings are what came in
        before. That may show a challenger, which live requests then judge; never a champion.
        """
        lately = self.newest is not None and self.newest.difference.low > 0
        return self.no_loss or lately

    def __str__(self) -> str:
        if self.overall is None:
            return "it is the first, with nothing to compare"
        said = str(self.overall)
        return said if self.newest is None else f"{said}; newest answers: {self.newest}"


def read_gate(folder: Path) -> Gate:
    """Read what a comparison found."""
    found: dict[str, dict[str, Any] | None] = json.loads((folder / "gate.json").read_bytes())
    return Gate(*(_comparison(found[name]) for name in ("overall", "newest")))


def _comparison(found: dict[str, Any] | None) -> Comparison | None:
    if found is None:
        return None
    return Comparison(**found | {"difference": PairedDifference(*found["difference"])})
