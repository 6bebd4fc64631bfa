"""Tasks for other annotation tools, and the answers that come back."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from .records import ReviewItem

NOT_SOLD, CANT_TELL = "(not sold here)", "(can't tell)"
"""What may be answered besides a category; no category is written so."""
_NAME = re.compile(r"item-(\d{1,18})")


@dataclass(frozen=True)
class Task:
    """An item to ask about; `photo` is its path within the export, None where there is none."""

    item: ReviewItem
    photo: str | None

    @property
    def title(self) -> str:
        """What the tool shows as the title: never empty, as some tools need it."""
        return self.item.listing.title or "(no title)"


class Read(NamedTuple):
    """An answer as a tool has it; `where` it stands in the file, for messages."""

    where: str
    item_id: int
    answer: str
    who: str = ""


class TaskError(NamedTuple):
    """Where there is no answer to be had, and why."""

    where: str
    reason: str


def item_name(item_id: int) -> str:
    """Name an item in a tool.

    >>> item_name(12)
    'item-12'
    """
    return f"item-{item_id}"


def item_id(name: Any) -> int | None:
    """Find an item's number in the name that a tool has kept; None if it has none.

    >>> item_id("item-12"), item_id("cat.jpg")
    (12, None)
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return int(found[1]) if found else None


def foreign(where: str, name: Any) -> TaskError:
    """Say that something isn't one of our tasks."""
    return TaskError(
        where,
        f"A task must be named item-NUMBER, as `shelfsure review export` does, got {name!r}.",
    )
