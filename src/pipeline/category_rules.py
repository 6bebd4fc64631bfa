"""A cut-off of each category's own, where there is evidence for one.

Of the categories with the most held-out answers so many are tested as could show the promise if
they were without a mistake; that is told by counts and groups alone, never by what was right. They
share the allowed error equally (Bonferroni), so that with the promised confidence all cut-offs
hold at once: learn then test, as in `accept_rule`, with one family of tests a category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..catalog.listing import category_prefix
from ..core.arrays import Bools, Floats, Ints
from ..core.config import AcceptConfig, Config
from ..fusion.accept_rule import AcceptRule, Examples, effective_numbers, fit_accept_rule
from ..fusion.held_out import HeldOut
from ..fusion.views import Modalities
from .accept_rules import pooled_answers


@dataclass(frozen=True)
class CategoryRule:
    """The cut-off of one category's answers by one kind of evidence.

    Parameters
    ----------
    category, modalities
        What the answers were, and what they went by.
    rule
        Its `confidence` is that of this category's own tests; a threshold above 1 says that none
        was shown to keep the promise.
    """

    category: str
    modalities: Modalities
    rule: AcceptRule

    def to_json(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "modalities": sorted(self.modalities),
            "rule": asdict(self.rule),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CategoryRule":
        rule = AcceptRule(**value["rule"])
        return cls(value["category"], frozenset(value["modalities"]), rule)


def fit_category_rules(
    held_out: Mapping[Modalities, HeldOut],
    categories: Sequence[str],
    unseen: Mapping[Modalities, HeldOut],
    unseen_categories: Sequence[str],
    class_names: Sequence[str],
    config: Config,
    *,
    examples: Examples,
    groups: Ints,
    unseen_groups: Ints,
) -> list[CategoryRule]:
    """Fit the cut-offs of those categories that could have one; parameters as for `fit_rules`."""
    found = []
    for pattern, answers, true, own in pooled_answers(
        held_out, categories, unseen, unseen_categories, groups, unseen_groups
    ):
        probabilities = np.exp(answers)
        columns = probabilities.argmax(axis=1)
        names = [category_prefix(name, config.levels) for name in true]
        right = np.array([class_names[c] == n for c, n in zip(columns, names, strict=True)])
        rules = own_cut_offs(
            probabilities.max(axis=1), right, columns, own, examples.enough(columns), config.accept
        )
        found += [
            CategoryRule(class_names[column], pattern, rule) for column, rule in rules.items()
        ]
    return found


def own_cut_offs(
    probability: Floats,
    right: Bools,
    columns: Ints,
    groups: Ints,
    enough: Bools,
    accept: AcceptConfig,
) -> dict[int, AcceptRule]:
    """Find the cut-off of each category that is tested, the one with most answers first.

    Parameters
    ----------
    probability, right, columns
        Shape ``(n,)``: of each held-out answer how probable it was, whether it was right, and which
        category it was.
    groups
        Shape ``(n,)``, as for `fit_accept_rule`.
    enough
        Shape ``(n,)``, whether the answer may be accepted at all.
    """
    rows = {
        int(column): np.flatnonzero((columns == column) & enough)
        for column in np.unique(columns[enough])
    }
    worth = {column: float(effective_numbers(groups[own])[-1]) for column, own in rows.items()}
    order = sorted(rows, key=lambda column: (-worth[column], column))
    allowed = 1.0 - accept.confidence
    n_tested = 0
    for n, column in enumerate(order, start=1):
        if accept.target_precision ** worth[column] <= allowed / n:
            n_tested = n
    return {
        column: fit_accept_rule(
            probability[rows[column]],
            right[rows[column]],
            accept.target_precision,
            1.0 - allowed / n_tested,
            groups=groups[rows[column]],
        )
        for column in order[:n_tested]
    }
