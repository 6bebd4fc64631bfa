"""A file of any length in, verdicts of every row out, in memory that doesn't grow with it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from ..catalog.catalog import RejectedRow, read_in_chunks
from ..catalog.catalog_file import CatalogFile
from ..catalog.row_checker import RowTally
from ..catalog.usable import require_enough
from ..core.files import atomic_path
from ..embedding.reading_ahead import batches
from .batch import judge_alone
from .pipeline import ListingPipeline, OnJudged
from .shift import OnShift
from .verdict import Shift
from .verdict_file import JudgedRow, write_rows
from .verdict_parts import PART_ROWS, VerdictParts

WINDOW_ROWS = 10_000
"""Rows that are looked at together: whether they are strangers, accepted or held for a drift, and
the first of them for how many are usable."""


def require_first_rows(file: CatalogFile, min_fraction: float) -> None:
    """Refuse a file whose first window can't be read well enough; see `require_usable`.

    Raises
    ------
    CatalogError
        If fewer than this share of the rows, 0 to 1, or none, can be used.
    """
    tally = RowTally()
    for catalog in read_in_chunks(file, PART_ROWS):
        tally.count(len(catalog.listings), catalog.rejected)
        if tally.n_rows >= WINDOW_ROWS:
            break
    require_enough(tally, min_fraction, file.path, _first(tally))


def judge_parts(
    pipeline: ListingPipeline,
    file: CatalogFile,
    parts: VerdictParts,
    *,
    duplicates: bool = True,
    quality: bool = True,
    min_fraction: float = 0.0,
    progress: bool = False,
    on_judged: OnJudged | None = None,
) -> int:
    """Judge the parts that are this shard's and aren't there yet.

    Parameters
    ----------
    min_fraction
        Refuse the file if a smaller share of the first window can be judged.
    on_judged
        As for `ListingPipeline.predict`; parts that are there already aren't judged again.

    Returns
    -------
    int
        Of how many parts the file is.

    Raises
    ------
    CatalogError
        If too few rows of the first window can be judged.
    """
    done = {part for part in parts.there() if parts.shard.has(part)}
    tally, n_parts, n_rows = RowTally(), 0, 0
    hidden = None if progress else True
    with tqdm(desc="Judging listings", initial=len(done) * PART_ROWS, disable=hidden) as bar:
        for number, catalog in enumerate(read_in_chunks(file, PART_ROWS)):
            n_parts, n_rows = number + 1, n_rows + catalog.n_rows
            bar.total = max(bar.n, round(n_rows / (file.fraction_read or 1.0) / parts.shard.of))
            if number in done or not parts.shard.has(number):
                continue
            rows = judge_alone(
                pipeline, catalog, duplicates=duplicates, quality=quality, on_judged=on_judged
            )
            tally = tally_of(rows, tally)
            parts.write(number, rows)
            bar.update(catalog.n_rows)
            if n_rows == WINDOW_ROWS:
                require_enough(tally, min_fraction, file.path, _first(tally))
    return n_parts


def together(
    rows: Iterable[JudgedRow], pipeline: ListingPipeline, on_shift: OnShift
) -> Iterator[JudgedRow]:
    """Look at each window of rows together, as `ListingPipeline.as_batch` does at a batch.

    A drift is watched for over the whole file, so that it alarms as seldom as in a short one; what
    it finds holds from the window on that it is found in.
    """
    detector = pipeline.shift_detector()
    for window in batches(rows, WINDOW_ROWS):
        verdicts = pipeline.as_batch([row.verdict for row in window], on_shift, detector)
        for row, verdict in zip(window, verdicts, strict=True):
            why = row.photo_problem
            said = verdict.without_photo(why) if why else verdict
            yield row.model_copy(update={"verdict": said})


@dataclass
class JoinedFile:
    """What a file's verdicts are, all in all.

    Parameters
    ----------
    decisions
        How many listings each decision was made of.
    shift
        The first drift that was found.
    photo_problem
        The first row that goes by its title although it names a photo, and why.
    """

    tally: RowTally = field(default_factory=RowTally)
    decisions: Counter[str] = field(default_factory=Counter)
    shift: Shift | None = None
    n_audited: int = 0
    n_photo_problems: int = 0
    photo_problem: tuple[int, str] | None = None

    def watched(self, rows: Iterable[JudgedRow]) -> Iterator[JudgedRow]:
        """Let rows through, and count them."""
        for row in rows:
            tally_of([row], self.tally)
            self.decisions[row.verdict.decision] += 1
            self.shift = self.shift or row.verdict.shift
            self.n_audited += row.verdict.audit
            if row.photo_problem:
                self.n_photo_problems += 1
                self.photo_problem = self.photo_problem or (row.row, row.photo_problem)
            yield row


def join(out: Path, rows: Iterable[JudgedRow], min_fraction: float, source: Path) -> JoinedFile:
    """Write all rows, if enough of them could be judged; whole or not at all.

    Parameters
    ----------
    min_fraction
        Share of the rows, 0 to 1; see `require_usable`.
    source
        What they are of.

    Raises
    ------
    CatalogError
        If too few rows could be judged.
    """
    found = JoinedFile()
    with atomic_path(out) as partial:
        write_rows(partial, found.watched(rows))
        require_enough(found.tally, min_fraction, source)
    return found


def tally_of(rows: Iterable[JudgedRow], tally: RowTally | None = None) -> RowTally:
    """Count the rows that could be judged, and those that were rejected."""
    tally = tally or RowTally()
    for row in rows:
        verdict = row.verdict
        if verdict.decision == "rejected":
            bad = RejectedRow(row.row, verdict.listing_id, " ".join(verdict.reasons))
            tally.count(0, [bad])
        else:
            tally.count(1)
    return tally


def _first(tally: RowTally) -> str:
    return "" if tally.n_rows < WINDOW_ROWS else f" in its first {tally.n_rows:,} rows"
