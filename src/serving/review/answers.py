"""Answers as training takes them: listings with the category that people agree on."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ...catalog.listing import Listing
from ...catalog.merging import Additions
from .records import Answer, ReviewError, ReviewItem
from .store import ReviewStore

_SQLITE = b"SQLite format 3\0"


def is_review_store(path: Path) -> bool:
    """Tell a queue's file, or a folder that holds one, from a catalogue."""
    file = ReviewStore(path).path
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_SQLITE)) == _SQLITE


def read_answers(path: Path) -> Additions:
    """Read what people agree on, the oldest answer first; photos are the store's own.

    "Can't tell" and disputed items teach nothing, and are left out.

    Raises
    ------
    ReviewError
        If there is no store, it can't be read, or nothing in it was answered.
    """
    if not ReviewStore(path).path.is_file():
        raise ReviewError(f"A review queue's SQLite file must be at {path}, but there is none.")
    items = ReviewStore(path).answered()
    if not items:
        raise ReviewError(
            f"The review store {path} must have answers to train on, but nobody has answered yet. "
            "Answer some in the page's tab “Review queue”, or leave it out."
        )
    agreed = sorted(_agreed(items), key=lambda pair: pair[1].answer_id)
    labelled, not_sold, n_missing = [], [], 0
    for item, answer in agreed:
        gone = item.photo_sha256 is not None and not _is_there(item.listing)
        n_missing += gone
        own = replace(item.listing, image=None if gone else item.listing.image)
        if answer.kind == "not_sold":
            not_sold.append(own)
        elif answer.kind == "category" and (own.image or own.title):
            labelled.append(replace(own, category=answer.category))
    return Additions(
        path,
        tuple(labelled),
        tuple(not_sold),
        n_disputed=sum(item.disputed for item in items),
        n_photos_missing=n_missing,
        answered=True,
    )


def _agreed(items: Sequence[ReviewItem]) -> Iterable[tuple[ReviewItem, Answer]]:
    return ((item, item.answer) for item in items if item.answer and not item.disputed)


def _is_there(listing: Listing) -> bool:
    return isinstance(listing.image, Path) and listing.image.is_file()
