"""What two models said of the same listings, out of a verdict log, and who was right of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from ..catalog.listing import category_levels, category_prefix
from .experiment import Experiment

COLUMNS = [
    *("listing_id", "time", "group", "decision", "category", "probability", "model_version"),
    *("pair", "role", "answered"),
]
"""What is read of a log for a comparison; no embedding."""
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """What champion and challenger said of one request; `by_challenger`: its was the answer."""

    champion: Row
    challenger: Row
    by_challenger: bool

    @property
    def listing_id(self) -> str:
        return str(self.champion["listing_id"] or "")

    @property
    def same_category(self) -> bool:
        return agree(self.champion["category"], self.challenger["category"])


@dataclass(frozen=True)
class Pairs:
    """Pairs in the order in which they came, each listing once: a repetition says nothing new.

    Parameters
    ----------
    answered
        Role -> rows that were answers, repetitions included.
    n_alone
        Answers of which the other verdict isn't there: dropped under load, or not logged yet.
    """

    pairs: Sequence[Pair]
    answered: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    n_alone: int = 0


@dataclass(frozen=True)
class Reviewed:
    """What a person said of a listing; `category` is None if it isn't for this catalogue."""

    listing_id: str
    kind: Literal["category", "not_sold"]
    category: str | None


def pairs_in(table: pa.Table, experiment: Experiment) -> Pairs:
    """Find the pairs of an experiment's two models.

    Parameters
    ----------
    table
        Rows of a log, in the order of their times, with `COLUMNS` at least.
    """
    versions = {
        "champion": experiment.champion.version,
        "challenger": experiment.challenger.version,
    }
    sides: dict[str, dict[str, Row]] = {}
    answered: dict[str, list[Row]] = {name: [] for name in versions}
    for row in table.select(COLUMNS).to_pylist():
        role = row["role"]
        if row["pair"] is None or row["model_version"] != versions.get(role):
            continue
        sides.setdefault(row["pair"], {})[role] = row
        if row["answered"]:
            answered[role].append(row)
    pairs: list[Pair] = []
    seen: set[str] = set()
    n_alone = 0
    for both in sides.values():
        if len(both) < 2:
            n_alone += any(row["answered"] for row in both.values())
            continue
        pair = Pair(**both, by_challenger=bool(both["challenger"]["answered"]))
        if pair.listing_id and pair.listing_id in seen:
            continue
        seen.add(pair.listing_id)
        pairs.append(pair)
    return Pairs(pairs, answered, n_alone)


def agree(one: str | None, other: str | None) -> bool:
    """Tell whether two answers name the same category, down to the shallower one's level.

    >>> agree("Home > Lamps", "Home"), agree("Home > Lamps", "Home > Rugs"), agree(None, None)
    (True, False, True)
    """
    if not one or not other:
        return not one and not other
    depth = min(len(category_levels(one)), len(category_levels(other)))
    return category_prefix(one, depth) == category_prefix(other, depth)


def is_right(row: Row, said: Reviewed) -> bool:
    """Tell whether a verdict is what a person says; naming a deeper category confirms it."""
    refused = row["decision"] == "out_of_catalogue"
    if said.kind == "not_sold":
        return bool(refused)
    told = row["category"] or ""
    depth = len(category_levels(told))
    return bool(told) and not refused and category_prefix(said.category or "", depth) == told
