"""One visitor's batch: what their page holds, and what it says."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...catalog.listing import Listing
from ...core.errors import CatalogError, ConfigError, ShelfsureError
from ...pipeline.verdict import Verdict
from ..service import QueueFullError
from .html import DECISIONS, render
from .jobs import BatchJob, Progress
from .uploads.workspace import Workspace
from .verdict_table import Filter

if TYPE_CHECKING:
    from ..review.store import ReviewStore

_LOG = logging.getLogger(__name__)


@dataclass
class Session:
    """What one visitor's tab holds: an upload's folder, and the job on it."""

    place: Workspace
    job: BatchJob
    keep: Filter

    def close(self) -> None:
        """Stop the job and remove the photos."""
        self.job.cancel()
        self.place.close()


def close(session: Session | None) -> None:
    """End a visitor's session, if there is one."""
    if session is not None:
        session.close()


def required_table(table: str | None) -> Path:
    """Give the uploaded table's path, or say that it is missing."""
    if table is None:
        raise CatalogError("A table of listings is needed, but there is none yet. Add one.")
    return Path(table)


def photo_source(archive: str | None, folder: str, *, local: bool) -> Path | None:
    """Choose the zip or the typed folder; a folder counts only where `local` allows it."""
    folder = (folder or "").strip()
    if archive is not None and folder and local:
        raise CatalogError("Photos come from a zip or a folder, but both are given. Remove one.")
    if archive is not None:
        return Path(archive)
    return Path(folder).expanduser() if folder and local else None


def listings_by_row(job: BatchJob) -> dict[int, Listing]:
    """Map data rows to listings."""
    catalog = job.upload.catalog
    return dict(zip(catalog.rows, catalog.listings, strict=True))


def progress_card(
    job: BatchJob, progress: Progress, *, ended: bool = False, failure: str = "", trouble: str = ""
) -> str:
    """Say how far a job is, or how it ended, with a count for each decision."""
    counts: Counter[str] = Counter(verdict.decision for _, verdict in job.rows)
    heading = f"{progress.n_done:,} of {progress.n_rows:,} rows"
    note, detail = trouble, ""
    if not ended and progress.left_s is not None:
        detail = f"{progress.rate:.1f} listings a second, {duration(progress.left_s)} left"
    elif not ended:
        detail = "the first verdicts are under way"
    elif job.partial:
        detail = "Stopped." if not failure else f"Stopped: {failure}"
        note = f"What is done is kept: the downloads are marked as partial. {trouble}"
    else:
        detail = "Done."
    return render(
        "progress.html.j2",
        heading=heading,
        detail=detail,
        note=note,
        n_done=progress.n_done,
        n_rows=progress.n_rows,
        counts=[(decision, counts[decision]) for decision in DECISIONS if counts[decision]],
        words=DECISIONS,
    )


def duration(seconds: float) -> str:
    """Write a time to wait: ``"42 s"``, ``"3 min"``, ``"1.5 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def explained(error: Exception) -> str:
    """Say what a visitor can mend; what only the server's owner can, goes to the log."""
    if isinstance(error, CatalogError | ConfigError | QueueFullError):
        return str(error)
    _LOG.error("a page's request failed", exc_info=error)
    return "The model can't answer at the moment; the server's log says why."


def queue_for_review(reviews: "ReviewStore", judged: Sequence[tuple[Listing, Verdict]]) -> str:
    """Put what needs a look into the review queue.

    Returns
    -------
    str
        Why some of it couldn't be put there, such as a full queue; empty if all is there.
    """
    trouble = ""
    for listing, verdict in judged:
        if verdict.decision == "review":
            try:
                reviews.add(listing, verdict)
            except ShelfsureError as error:  # the verdicts are worth more than the queue
                _LOG.warning("a listing didn't get into the review queue: %s", error)
                trouble = "Not everything that needs a look fitted into the review queue."
    return trouble
