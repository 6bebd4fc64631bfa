"""Whether a retrained bundle may follow the champion: only if it shows no loss."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluation.intervals import PairedDifference
from ...evaluation.registry import Comparison


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
    def passed(self) -> bool:
        """One interval holds no loss, and the other isn't all loss.

        After a drift the newest answers are what comes in, and most test listings are what came in
        before: then a gain on the former is enough, unless there is a loss on the latter for sure.
        """
        if self.overall is None:
            return True
        if self.newest is None:
            return self.overall.excludes_loss
        lately, ever = self.newest.difference, self.overall.difference
        return (ever.low >= 0 and lately.high >= 0) or (lately.low > 0 and ever.high >= 0)

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
