"""The review queue that a command looks into."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..serving.review.store import ReviewStore


def opened_queue(path: Path | None, *, needed: bool = True) -> "ReviewStore":
    """Give the queue at a path, or the user's own.

    Parameters
    ----------
    needed
        Whether a path that is named must have one; else it is only said that it has none.

    Raises
    ------
    ReviewError
        If it must, and has none: a new, empty queue would answer for it.
    """
    from ..serving.review.records import ReviewError
    from ..serving.review.store import ReviewStore

    store = ReviewStore(path)
    if path is not None and not store.path.exists():
        if needed:
            raise ReviewError(
                f"A review queue's SQLite file must be at {store.path}, but there is none. Check "
                "the path; the page begins one, and so does --audit."
            )
        typer.echo(f"Warning: there is no review queue at {store.path}, so none counts.", err=True)
    return store
