"""A file of listings in, a file of verdicts out: every input row has its line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..catalog.catalog import Catalog, RejectedRow
from ..catalog.listing import Listing
from ..catalog.usable import require_usable
from ..core.errors import ConfigError
from ..core.files import atomic_path, require_free_file
from ..core.kinds import FileKind, table_with
from .pipeline import ListingPipeline
from .shift import OnShift
from .verdict import Verdict

SUFFIXES = (".csv", ".jsonl", ".parquet")
VERDICTS = FileKind(
    "a file of verdicts", table_with(("listing_id", "decision", "model_version", "row"))
)


def check_out(path: Path, inputs: Iterable[Path]) -> None:
    """Complain before the work starts, not after it.

    Raises
    ------
    ConfigError
        If the suffix is unknown, `path` is one of the inputs, or something else than verdicts.
    """
    check_suffix(path)
    require_free_file(path, VERDICTS, inputs=inputs)


def check_suffix(path: Path) -> None:
    """Raise a ConfigError for a format that verdicts aren't written in."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"Verdicts are written as {', '.join(SUFFIXES)}, but --out is {path}. Rename it."
        )


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
    rejected = [
        (bad.row, Verdict.rejected(bad.listing_id, bad.reason, pipeline.version))
        for bad in catalog.rejected
    ]
    verdicts = pipeline.predict(
        catalog.listings,
        duplicates=duplicates,
        quality=quality,
        on_shift=on_shift,
        on_photo_error=catalog.on_photo_error,
    )
    judged = [
        (row, verdict.without_photo(catalog.photo_problems[row]))
        if row in catalog.photo_problems
        else (row, verdict)
        for row, verdict in zip(catalog.rows, verdicts, strict=True)
    ]
    return sorted([*rejected, *judged], key=lambda pair: pair[0])


def require_judged(rows: Sequence[tuple[int, Verdict]], min_fraction: float = 0.0) -> None:
    """Refuse a file of which nothing, or too little, could be judged; see `require_usable`.

    Raises
    ------
    CatalogError
        If fewer than this share of the rows, 0 to 1, or none, aren't rejected.
    """
    bad = [
        RejectedRow(row, verdict.listing_id, " ".join(verdict.reasons))
        for row, verdict in rows
        if verdict.decision == "rejected"
    ]
    good = [(row, verdict) for row, verdict in rows if verdict.decision != "rejected"]
    listings = tuple(Listing(verdict.listing_id) for _, verdict in good)
    catalog = Catalog(listings, tuple(row for row, _ in good), tuple(bad))
    require_usable(catalog, min_fraction)


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
    records = [
        {**verdict.model_dump(mode="json"), "row": row, "title": titles.get(row)}
        for row, verdict in rows
    ]
    with atomic_path(path) as partial:
        if path.suffix.lower() == ".jsonl":
            lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            _write_lines(partial, lines)
            return
        columns = [*Verdict.model_fields, "row", "title"]
        table = pd.DataFrame([_flat(record) for record in records], columns=columns)
        if path.suffix.lower() == ".csv":
            table.to_csv(partial, index=False, encoding="utf-8")
        else:
            table.to_parquet(partial, index=False)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for key, value in record.items()
    }
