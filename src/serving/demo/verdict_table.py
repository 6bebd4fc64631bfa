"""Many verdicts on a page: a table with filters, counts, and files to take away."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...catalog.listing import Listing
from ...pipeline.batch import SUFFIXES, write_verdicts
from ...pipeline.verdict import Verdict, percent
from .html import AGAIN, DECISIONS
from .jobs import BatchJob

HEADERS = ("Row", "Listing", "Decision", "Category", "Probability", "Title", "Flags", "Why")
MAX_SHOWN = 1000
MAX_CHARS = 300
DECISION_NAMES = {key: f"{words.sign} {words.name}" for key, words in DECISIONS.items()}
FLAG_NAMES = {
    "duplicate": "Already there",
    "variant": "Variant",
    "mismatch": "Photo and title disagree",
    "zero_shot": "By name only",
    "quality": "Poor photo",
}

Rows = Sequence[tuple[int, Verdict]]


@dataclass(frozen=True)
class Filter:
    """Which rows to show; what is empty lets all through.

    Parameters
    ----------
    decisions, flags
        Any of these; the keys of `DECISION_NAMES` and `FLAG_NAMES`.
    category
        Text in the category, in upper or lower case.
    """

    decisions: Collection[str] = ()
    category: str = ""
    flags: Collection[str] = ()

    def keeps(self, verdict: Verdict) -> bool:
        """Tell whether a verdict passes."""
        return (
            (not self.decisions or verdict.decision in self.decisions)
            and self.category.strip().casefold() in (verdict.category or "").casefold()
            and (not self.flags or bool(set(self.flags) & set(flags(verdict))))
        )


def flags(verdict: Verdict) -> list[str]:
    """Name what is worth a look besides the decision; keys of `FLAG_NAMES`."""
    copies = {copy.verdict for copy in verdict.duplicates}
    there = {
        "duplicate": bool(copies & AGAIN),
        "variant": "variant" in copies,
        "mismatch": verdict.mismatch,
        "zero_shot": verdict.route == "zero_shot",
        "quality": bool(verdict.quality),
    }
    return [name for name, is_there in there.items() if is_there]


def table_rows(
    rows: Rows, listings: Mapping[int, Listing], keep: Filter
) -> tuple[list[list[str | int]], int]:
    """Lay verdicts out under `HEADERS`.

    Parameters
    ----------
    rows
        Data row and verdict.
    listings
        Data row -> listing, for its title; a row that couldn't be read has none.

    Returns
    -------
    list of list
        The first `MAX_SHOWN` rows that pass; all but the row's number is text.
    int
        How many pass.
    """
    passing = [(row, verdict) for row, verdict in rows if keep.keeps(verdict)]
    table = [_cells(row, verdict, listings.get(row)) for row, verdict in passing[:MAX_SHOWN]]
    return table, len(passing)


def decision_choices(rows: Rows) -> list[tuple[str, str]]:
    """Label each decision with its count, for a group of check boxes."""
    counts: Counter[str] = Counter(verdict.decision for _, verdict in rows)
    return [(f"{name} ({counts[key]:,})", key) for key, name in DECISION_NAMES.items()]


def flag_choices(rows: Rows) -> list[tuple[str, str]]:
    """Label each flag with its count, for a group of check boxes."""
    counts = Counter(flag for _, verdict in rows for flag in flags(verdict))
    return [(f"{name} ({counts[key]:,})", key) for key, name in FLAG_NAMES.items()]


def write_downloads(job: BatchJob, folder: Path) -> list[str]:
    """Write the verdicts in every format, and the rejected rows; names of partial files say so."""
    end = "-partial" if job.partial else ""
    files = [folder / f"verdicts{end}{suffix}" for suffix in SUFFIXES]
    for path in files:
        write_verdicts(path, job.rows)
    rejected = folder / f"rejected{end}.csv"
    job.all_rejected().write_rejected(rejected)
    return [str(path) for path in (*files, rejected)]


def _cells(row: int, verdict: Verdict, listing: Listing | None) -> list[str | int]:
    return [
        row,
        verdict.listing_id[:MAX_CHARS],
        DECISION_NAMES[verdict.decision],
        verdict.category or "",
        "" if verdict.probability is None else percent(verdict.probability),
        ((listing and listing.title) or "")[:MAX_CHARS],
        ", ".join(FLAG_NAMES[flag] for flag in flags(verdict)),
        " ".join(verdict.reasons)[:MAX_CHARS],
    ]
