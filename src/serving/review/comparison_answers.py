"""What people said of listings, as comparisons of models take it."""

from ...monitoring.pairs import Reviewed
from .store import ReviewStore


def reviewed(store: ReviewStore) -> list[Reviewed]:
    """List the standing answers that name a category or refuse one, in the order they came.

    "Can't tell", "skip" and disputed items say nothing; a listing without an id can't be found in a
    log.

    Raises
    ------
    ReviewError
        If the store can't be read.
    """
    agreed = (item for item in store.answered() if item.answer and not item.disputed)
    items = [item for item in agreed if item.listing.listing_id]
    items.sort(key=lambda item: item.answer.answer_id if item.answer else 0)
    return [
        Reviewed(item.listing.listing_id, item.answer.kind, item.answer.category)
        for item in items
        if item.answer and item.answer.kind in {"category", "not_sold"}
    ]
