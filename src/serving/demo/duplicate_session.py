"""One visitor's duplicates: which of them their page shows, and as what HTML."""

from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from ...catalog.listing import Listing
from ...retrieval.duplicates.page import word_differences
from ...vision.thumbnails import thumbnail_uri
from .duplicate_review import DuplicateReview
from .html import COPIES, render
from .uploads.uploads import Workspace

PAGE = 10
"""Cases on one page."""


@dataclass
class DuplicateSession:
    """What one visitor's page shows.

    Parameters
    ----------
    root
        The upload's folder.
    kind, only_open, page
        What was chosen to be seen.
    photos
        What was shrunk already, by the listing's identity.
    """

    place: Workspace
    review: DuplicateReview
    heading: str = ""
    note: str = ""
    root: Path | None = None
    kind: str = ""
    only_open: bool = False
    page: int = 0
    photos: dict[int, str | None] = field(default_factory=dict)

    def photo(self, listing: Listing) -> str | None:
        if id(listing) not in self.photos:
            self.photos[id(listing)] = thumbnail_uri(listing.image)
        return self.photos[id(listing)]


def summary_html(session: DuplicateSession) -> str:
    """Show what was found, how much of it is answered, and what can be accepted at once."""
    counts = session.review.counts()
    return render(
        "duplicate_summary.html.j2",
        heading=session.heading,
        note=session.note,
        counts=counts,
        n_pairs=sum(n for _, n, _, _ in counts),
        n_answered=len(session.review.answers),
        copies=COPIES,
    )


def cases_html(session: DuplicateSession) -> str:
    """Show one page of cases."""
    wanted = session.review.filtered(session.kind, only_open=session.only_open)
    n_pages = max(1, ceil(len(wanted) / PAGE))
    session.page = min(session.page, n_pages - 1)
    start = session.page * PAGE
    return render(
        "duplicate_cases.html.j2",
        cases=wanted[start : start + PAGE],
        result=session.review.result,
        answers=session.review.answers,
        photos=session.photo,
        differences=word_differences,
        copies=COPIES,
        page=session.page,
        n_pages=n_pages,
    )
