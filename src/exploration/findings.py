"""What an audit finds: one thing to look at, why, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "wrong_label",
    "duplicate_conflict",
    "leak",
    "doubtful_label",
    "overlapping_categories",
    "unusable_photo",
    "empty_title",
    "poor_photo",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""From what harms training most to what harms it least."""
LABEL_KINDS = frozenset({"wrong_label", "doubtful_label", "duplicate_conflict"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to repair, or to look at.

    Parameters
    ----------
    kind
        ``wrong_label``: more likely wrong than right. ``doubtful_label``: more likely right, but
        all that is seen and read says otherwise. ``duplicate_conflict``: one product, two
        categories. ``leak``: in training and in test. ``overlapping_categories``: about a category,
        so it has no row and no listing.
    strength
        0 to 1, larger first, to be compared within a kind only: of labels the probability that it
        is wrong, of pairs that the photos are copies, of titles the share of the uncertainty about
        the category that it leaves, of categories how often they are taken for each other.
    reason
        In plain words.
    category, suggested
        As it is labelled, and what else it may be; empty where there is nothing to suggest.
    row
        Data row of the file, from 1; None where it is about no single listing.
    """

    kind: Kind
    strength: float
    reason: str
    category: str = ""
    suggested: str = ""
    row: int | None = None
    listing_id: str = ""


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by kind, then the strongest first, then in the order of the catalogue."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    return tuple(sorted(findings, key=lambda f: (order[f.kind], -f.strength, f.row or 0)))
