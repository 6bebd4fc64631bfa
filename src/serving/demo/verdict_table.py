"""Many verdicts on a page: how far they are, a table with filters, files to take away."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Protocol, TypeAlias

from ...catalog.listing import Listing
from ...pipeline.batch import SUFFIXES, write_verdicts
from ...pipeline.pipeline import ListingPipeline
from ...pipeline.verdict import Verdict
from ...vision.thumbnails import thumbnail_uri
from .batch_job import BatchJob, Progress
from .html import DECISIONS, progress, render, similar_html, verdict_html

_TYPES = {"Row": "number", "Photo": "html", "Listing": "str", "Decision": "str", "Category": "str"}
_TYPES |= {"Probability, %": "number", "Title": "str", "Flags": "str", "Why": "str"}
HEADERS, DATATYPES = tuple(_TYPES), list(_TYPES.values())
"""What is a number is sorted as one; of what others wrote nothing is HTML."""
WIDTHS = ("56px", "72px", "90px", "196px", "184px", "136px", "200px", "130px", "420px")
MAX_SHOWN, MAX_PHOTOS, PHOTO_PX = 1000, 200, 48
"""Rows on a page, and how many of these show their photo."""
MAX_CHARS = 300
DECISION_NAMES = {key: f"{words.sign} {words.name}" for key, words in DECISIONS.items()}
FLAG_NAMES = {
    "duplicate": "Already there",
    "variant": "Variant",
    "mismatch": "Photo and title disagree",
    "zero_shot": "By name only",
    "quality": "Poor photo",
}

Rows: TypeAlias = Sequence[tuple[int, Verdict]]
Cell: TypeAlias = str | float | None


@dataclass(frozen=True)
class Filter:
    """Which rows to show: any of these decisions, any of these flags, this text in the category.

    What is empty lets all through.
    """

    decisions: Collection[str] = ()
    category: str | None = ""
    flags: Collection[str] = ()

    def keeps(self, verdict: Verdict) -> bool:
        """Tell whether a verdict passes."""
        return (
            (not self.decisions or verdict.decision in self.decisions)
            and (self.category or "").strip().casefold() in (verdict.category or "").casefold()
            and (not self.flags or bool(set(self.flags) & set(flags(verdict))))
        )


def flags(verdict: Verdict) -> list[str]:
    """Name what is worth a look besides the decision; keys of `FLAG_NAMES`."""
    copies = {copy.verdict for copy in verdict.duplicates}
    there = {
        "duplicate": verdict.original is not None,
        "variant": "variant" in copies,
        "mismatch": verdict.mismatch,
        "zero_shot": verdict.route == "zero_shot",
        "quality": bool(verdict.quality),
    }
    return [name for name, is_there in there.items() if is_there]


def table_rows(
    rows: Rows,
    listings: Mapping[int, Listing],
    keep: Filter,
    *,
    page: int = 0,
    photos: "RowPhotos | None" = None,
) -> tuple[list[list[Cell]], int]:
    """Lay a page of the verdicts that pass out under `HEADERS`, and count all that do.

    `listings` gives a data row's listing, for its title; a row that couldn't be read has none.
    Without `photos` none is shown.
    """
    passing = [(row, verdict) for row, verdict in rows if keep.keeps(verdict)]
    shown = passing[page * MAX_SHOWN :][:MAX_SHOWN]
    table = [_cells(row, verdict, listings.get(row)) for row, verdict in shown]
    if photos is not None:
        for (row, _), cells in zip(shown[:MAX_PHOTOS], table, strict=False):
            cells[1] = photos.html(row, listings.get(row))
    return table, len(passing)


class JudgedListings(Protocol):
    """Verdicts of a file's rows, and the listings of those that could be read."""

    @property
    def rows(self) -> Rows: ...

    @property
    def listings(self) -> Mapping[int, Listing]: ...


class RowPhotos:
    """Small photos for a table's cells; the last ones are kept."""

    def __init__(self) -> None:
        self._made: dict[int, str] = {}

    def html(self, row: int, listing: Listing | None) -> str:
        """Show a row's photo; empty if there is none."""
        if row not in self._made:
            uri = thumbnail_uri(listing.image, side_px=PHOTO_PX) if listing else None
            if len(self._made) >= 2 * MAX_PHOTOS:
                self._made.clear()
            self._made[row] = f'<img src="{uri}" alt="" height="{PHOTO_PX}">' if uri else ""
        return self._made[row]


def n_pages(n_passing: int) -> int:
    """Count pages; there is always one."""
    return max(1, ceil(n_passing / MAX_SHOWN))


def table_label(n_passing: int, page: int = 0) -> str:
    """Say how many rows there are to see."""
    label = f"Verdicts: {n_passing:,} rows; select one to see its photo and reasons"
    if n_passing > MAX_SHOWN:
        first = page * MAX_SHOWN
        shown = f"{first + 1:,} to {min(first + MAX_SHOWN, n_passing):,}"
        label += f" ({shown} are shown; the downloads hold all)"
    return label


def decision_choices(rows: Rows) -> list[tuple[str, str]]:
    """Label each decision with its count, for a group of check boxes."""
    counts: Counter[str] = Counter(verdict.decision for _, verdict in rows)
    return [(f"{name} ({counts[key]:,})", key) for key, name in DECISION_NAMES.items()]


def flag_choices(rows: Rows) -> list[tuple[str, str]]:
    """Label each flag with its count, for a group of check boxes."""
    counts = Counter(flag for _, verdict in rows for flag in flags(verdict))
    return [(f"{name} ({counts[key]:,})", key) for key, name in FLAG_NAMES.items()]


def progress_html(
    job: BatchJob, far: Progress, *, ended: bool = False, failure: str = "", trouble: str = ""
) -> str:
    """Say how far a job is, or how it ended, with a count for each decision."""
    counts: Counter[str] = Counter(verdict.decision for _, verdict in job.rows)
    note, detail = trouble, "Done."
    if not ended:
        detail = "the first verdicts are under way"
        if far.left_s is not None:
            left = duration(far.left_s)
            detail = f"{far.rate:.1f} listings a second, {left} left"
    elif job.partial:
        detail = "Stopped." if not failure else f"Stopped: {failure}"
        note = f"What is done is kept: the downloads are marked as partial. {trouble}"
    heading = f"{far.n_done:,} of {far.n_rows:,} rows"
    return progress(heading, detail, far.n_done, far.n_rows, note=note, counts=counts)


def duration(seconds: float) -> str:
    """Write a time to wait: ``"42 s"``, ``"3 min"``, ``"1.5 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def row_html(pipeline: ListingPipeline, judged: JudgedListings, row: int, *, link: str = "") -> str:
    """Show a row's photo, title and verdict, and its address; nothing for one that isn't there."""
    verdict = dict(judged.rows).get(row)
    if verdict is None:
        return ""
    listing = judged.listings.get(row)
    photo = render(
        "listing.html.j2",
        listing_id=verdict.listing_id,
        row=row,
        title=(listing and listing.title) or "",
        photo=thumbnail_uri(listing.image, side_px=480) if listing else None,
        link=link,
    )
    return photo + verdict_html(verdict) + similar_listings(pipeline, verdict)


def similar_listings(pipeline: ListingPipeline, verdict: Verdict) -> str:
    """Show a verdict's duplicates and neighbours with what the bundle's index knows of them."""
    if pipeline.retrieval is None or pipeline.retrieval.index is None:
        return ""
    ids = {copy.listing_id for copy in verdict.duplicates}
    ids |= {near.listing_id for near in verdict.neighbours}
    records = pipeline.retrieval.index.records(ids)
    photos = {key: thumbnail_uri(record.image) for key, record in records.items()}
    return similar_html(verdict, records, photos)


def write_downloads(job: BatchJob, folder: Path) -> list[str]:
    """Write the verdicts in every format, and the rejected rows; names of partial files say so."""
    end = "-partial" if job.partial else ""
    files = [folder / f"verdicts{end}{suffix}" for suffix in SUFFIXES]
    for path in files:
        write_verdicts(path, job.rows, job.upload.catalog)
    rejected = folder / f"rejected{end}.csv"
    job.all_rejected().write_rejected(rejected)
    return [str(path) for path in (*files, rejected)]


def _cells(row: int, verdict: Verdict, listing: Listing | None) -> list[Cell]:
    return [
        row,
        "",
        verdict.listing_id[:MAX_CHARS],
        DECISION_NAMES[verdict.decision],
        verdict.category or "",
        None if verdict.probability is None else _percentage(verdict.probability),
        ((listing and listing.title) or "")[:MAX_CHARS],
        ", ".join(FLAG_NAMES[flag] for flag in flags(verdict)),
        " ".join(verdict.reasons)[:MAX_CHARS],
    ]


def _percentage(probability: float) -> float:
    """Give percent; what isn't quite 1 never looks as if it were."""
    return min(round(100 * probability, 1), 100.0 if probability == 1 else 99.9)
