"""A batch that has ended, on disk: the files to take away, and what its table is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from ...catalog.listing import Listing
from ...pipeline.verdict import Verdict
from ...pipeline.verdict_file import JudgedRow
from .batch_job import BatchJob
from .jobs.listings import with_photo_files
from .verdict_table import write_downloads

_ROWS, _LISTINGS = "rows.jsonl", "listings.json"
_listings = TypeAdapter(dict[int, Listing])


@dataclass(frozen=True)
class BatchResult:
    """Data rows (from 1) with their verdicts, and the listings of those that could be read."""

    rows: list[tuple[int, Verdict]] = field(default_factory=list)
    listings: Mapping[int, Listing] = field(default_factory=dict)


def write_batch(job: BatchJob, folder: Path, photos: Path) -> None:
    """Write what a batch has judged, and its downloads, into an empty folder.

    Into `photos` go those that aren't files yet.
    """
    (folder / "downloads").mkdir()
    write_downloads(job, folder / "downloads")
    with (folder / _ROWS).open("w", encoding="utf-8", newline="\n") as file:
        for row, verdict in job.rows:
            file.write(JudgedRow(row=row, verdict=verdict).model_dump_json() + "\n")
    listings = {row: with_photo_files(one, photos) for row, one in job.listings.items()}
    (folder / _LISTINGS).write_bytes(_listings.dump_json(listings))


def read_batch(folder: Path) -> BatchResult:
    """Read what `write_batch` wrote; a ValueError or an OSError, if it isn't that."""
    with (folder / _ROWS).open("rb") as file:
        rows = [JudgedRow.model_validate_json(line) for line in file]
    listings = _listings.validate_json((folder / _LISTINGS).read_bytes())
    return BatchResult([(row.row, row.verdict) for row in rows], listings)


def downloads(folder: Path) -> list[Path]:
    """List a batch's files to take away."""
    return sorted((folder / "downloads").iterdir())
