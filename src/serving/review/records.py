"""What a review queue holds: items to look at, and what people answered; and its errors.

ReviewError
├── ReviewsFullError      too much waits already; nothing was dropped to make room
├── ReviewsFileError      the store can't be read or written
└── ReviewsFormatError    the store was written by a newer Shelfsure
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from ...catalog.listing import SEPARATOR, Listing, category_levels
from ...catalog.rows import RowError, as_text, shown
from ...core.errors import ShelfsureError
from ...pipeline.verdict import Verdict

Kind: TypeAlias = Literal["category", "not_sold", "cant_tell", "skip"]
"""``category`` names one, ``not_sold``: not for this catalogue, ``skip``: show it again later."""
# what no catalogue may hold (see listings.rows), and what SQLite can't store
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ReviewError(ShelfsureError):
    """A review can't be kept, found or exported."""


class ReviewsFullError(ReviewError):
    """Too many items, or too many bytes, wait already."""


class ReviewsFileError(ReviewError):
    """The store's file can't be read or written."""


class ReviewsFormatError(ReviewError):
    """The store was written by a newer Shelfsure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said of an item; answers are only ever added, a withdrawn one stays to see.

    `category` is None for the kinds that name none; `at` is the time in UTC (ISO 8601); `verdict`
    is what the model had said at that moment.
    """

    answer_id: int
    item_id: int
    kind: Kind
    category: str | None
    who: str
    at: str
    verdict: Verdict
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A listing that somebody should look at, with the newest verdict on it.

    The listing's photo is the store's own copy; `photo_sha256` is of its bytes. `added_at` is the
    time in UTC (ISO 8601). `answers` are each reviewer's own last one that wasn't withdrawn, oldest
    first: one never takes another's place. `answer` is what most of them say, None while the item
    is pending.
    """

    item_id: int
    listing: Listing
    verdict: Verdict
    photo_sha256: str | None
    added_at: str
    answers: tuple[Answer, ...] = ()

    @property
    def answer(self) -> Answer | None:
        """The newest of the answers that most reviewers give; of equally many, the newest."""
        said = self._said()
        return max(self.answers, key=lambda own: (said[_what(own)], own.answer_id), default=None)

    @property
    def disputed(self) -> bool:
        """Whether no answer has more reviewers than another; then none may count."""
        first, second = [*(n for _, n in self._said().most_common(2)), 0, 0][:2]
        return first == second > 0

    def _said(self) -> Counter[tuple[Kind, str | None]]:
        return Counter(map(_what, self.answers))


def _what(answer: Answer) -> tuple[Kind, str | None]:
    return answer.kind, answer.category


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """How far the queue is.

    `n_today` counts answered items since midnight, local time; `n_disputed` those whose reviewers
    disagree.
    """

    n_pending: int
    n_answered: int
    n_today: int
    n_disputed: int = 0


def printable(text: str | None, *, prose: bool = True) -> str | None:
    """Drop control characters and halves of characters, so that a catalogue can hold the text.

    Line breaks and tabs stay in `prose`; else they become spaces.
    """
    plain = _UNPRINTABLE.sub("", text or "")
    plain = plain if prose else " ".join(plain.split())
    return plain if plain.strip() else None


def category_path(category: str) -> str:
    """Tidy a category that somebody named.

    Raises
    ------
    ReviewError
        If it is blank or unprintable.
    """
    try:
        path = SEPARATOR.join(category_levels(as_text("category", category) or ""))
    except RowError as error:
        raise ReviewError(f"A category must be plain text, but: {error}.") from error
    if not path:
        raise ReviewError(f"A category must have a name, got {shown(category)}.")
    return path


def reviewer_name(who: str) -> str:
    """Tidy the name of whoever answers; a ReviewError without one."""
    name = (printable(who, prose=False) or "").strip()
    if not name:
        raise ReviewError("Whoever answers must give a name, so that answers can be traced back.")
    return name[:100]


def now() -> str:
    """Give the time in UTC, ISO 8601, to a millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
