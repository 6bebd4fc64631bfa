"""A catalogue in, verdicts out: every row has its own."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..catalog.catalog import Catalog
from ..core.files import atomic_path, require_free_file
from .pipeline import ListingPipeline, OnJudged
from .shift import OnShift
from .verdict import Verdict
from .verdict_file import SUFFIXES, VERDICTS, JudgedRow, check_suffix, write_rows

__all__ = ["SUFFIXES", "check_out", "check_suffix", "judge", "judge_alone", "write_verdicts"]


def check_out(path: Path, inputs: Iterable[Path]) -> None:
    """Complain before the work starts, not after it.

    Raises
    ------
    ConfigError
        If the suffix is unknown, `path` is one of the inputs, or something else than verdicts.
    """
    check_suffix(path)
    require_free_file(path, VERDICTS, inputs=inputs)


def judge(
    pipeline: ListingPipeline,
    catalog: Catalog,
    *,
    duplicates: bool = True,
    quality: bool = True,
    on_shift: OnShift = "review",
) -> list[tuple[int, Verdict]]:
    """Judge a catalogue; rejected rows come back as verdicts too.

    `duplicates`, `quality` and `on_shift` are as for `ListingPipeline.predict`.

    Returns
    -------
    list of tuple
        The data row (from 1) and its verdict, in the file's order.
    """
    rows = judge_alone(pipeline, catalog, duplicates=duplicates, quality=quality)
    verdicts = pipeline.as_batch([row.verdict for row in rows], on_shift)
    return [
        (row.row, verdict.without_photo(row.photo_problem) if row.photo_problem else verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
    ]


def judge_alone(
    pipeline: ListingPipeline,
    catalog: Catalog,
    *,
    duplicates: bool = True,
    quality: bool = True,
    on_judged: OnJudged | None = None,
) -> list[JudgedRow]:
    """Judge a catalogue's rows each by itself: whoever has all of a batch looks at it together.

    Parameters are those of `judge`, and `on_judged` is that of `ListingPipeline.predict`.
    """
    verdicts = pipeline.predict(
        catalog.listings,
        duplicates=duplicates,
        quality=quality,
        on_shift="ignore",
        on_photo_error=catalog.on_photo_error,
        on_judged=on_judged,
    )
    judged = [
        JudgedRow(
            row=row,
            verdict=verdict,
            title=listing.title,
            photo_problem=catalog.photo_problems.get(row),
        )
        for row, listing, verdict in zip(catalog.rows, catalog.listings, verdicts, strict=True)
    ]
    rejected = [
        JudgedRow(
            row=bad.row, verdict=Verdict.rejected(bad.listing_id, bad.reason, pipeline.version)
        )
        for bad in catalog.rejected
    ]
    return sorted([*judged, *rejected], key=lambda row: row.row)


def write_verdicts(
    path: Path, rows: Sequence[tuple[int, Verdict]], catalog: Catalog | None = None
) -> None:
    """Write verdicts as CSV, JSON Lines or Parquet, by suffix; whole or not at all.

    In CSV and Parquet nested fields, such as top_k and reasons, are JSON. Each listing's title
    stands beside its verdict where `catalog` is given, which `rows` are of.
    """
    check_suffix(path)
    listings = zip(catalog.rows, catalog.listings, strict=True) if catalog else ()
    titles = {row: listing.title for row, listing in listings}
    with atomic_path(path) as partial:
        write_rows(
            partial,
            (
                JudgedRow.model_construct(row=row, verdict=verdict, title=titles.get(row))
                for row, verdict in rows
            ),
        )
