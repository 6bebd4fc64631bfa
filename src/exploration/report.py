"""An audit as files: a page for people, a table to act on, numbers for programs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..catalog.delimited import write_csv
from ..core.files import encodable, json_text, write_text
from ..core.kinds import FolderKind, folder_marked
from ..core.reports import render
from ..vision.thumbnails import thumbnail_uri
from .audit import Audit
from .findings import KINDS, Finding, Kind

AUDIT = FolderKind(
    "an audit's report",
    folder_marked(
        "audit.json",
        {"findings", "categories", "wrong_fraction"},
        *("findings.csv", "audit.html", "rejected.csv"),
    ),
)
COLUMNS = (
    "row",
    "listing_id",
    "kind",
    "category",
    "suggested_category",
    "score",
    "reason",
)
MAX_SHOWN = 60
"""Findings of one kind on the page; all are in the table."""
THUMBNAIL_PX = 180
TITLES: Mapping[Kind, tuple[str, str]] = {
    "wrong_label": (
        "Labels that are more likely wrong than right",
        "By models that saw neither the listing nor its duplicates. Change them first.",
    ),
    "duplicate_conflict": (
        "One product under two categories",
        "Duplicates whose labels contradict each other: one of them is wrong.",
    ),
    "leak": (
        "In training and in test",
        "What is measured on these listings is too good. Take them out of one part.",
    ),
    "doubtful_label": (
        "Labels that deserve a second look",
        "Nothing that is seen or read confirms the label, but it may be right all the same.",
    ),
    "overlapping_categories": (
        "Categories that overlap",
        "Pairs that are nearer to one category than to two, beyond chance.",
    ),
    "unusable_photo": ("Photos that can't be used", "These rows teach nothing by their photo."),
    "empty_title": (
        "Titles that say nothing",
        "The title alone leaves the category as open as before.",
    ),
    "poor_photo": (
        "Photos that could be better",
        "They are used all the same; what a seller could improve is said with each.",
    ),
}


def write_audit(audit: Audit, out_dir: str | Path, *, header: Mapping[str, str]) -> Path:
    """Write ``audit.html``, ``findings.csv`` and ``audit.json``, each whole or not at all.

    ``audit.json`` has ``format`` (1), what `Audit` says in single numbers (``levels``,
    ``n_listings``, ``n_rejected``, ``n_judged``, ``wrong_fraction``, ``right``, ``n_duplicates``,
    ``groups``), ``counts`` (kind -> number of findings), ``left_out`` (category -> listings), and
    three lists, each in the order of importance:

    - ``findings``: ``kind``, ``row`` and ``listing_id`` (null and empty where a finding is about a
      category), ``category``, ``suggested_category`` (empty where there is none), ``score`` (see
      `Finding.strength`), ``reason``;
    - ``categories``: ``name``, ``n_wrong``, ``mistaken_for``, ``n_mistaken``, and ``forecast`` (the
      fields of `Forecast`, or null);
    - ``pairs``: ``a``, ``b`` (names) and the other fields of `CategoryPair`.

    Parameters
    ----------
    header
        What the page says about its making; shown as written.

    Returns
    -------
    Path
        The page: one file that needs no network and runs no script.
    """
    out = Path(out_dir)
    page = render_page(audit, header)
    write_csv(out / "findings.csv", COLUMNS, map(_csv_row, audit.findings))
    write_text(out / "audit.html", page)
    write_text(out / "audit.json", json_text(audit_values(audit)))
    return out / "audit.html"


def audit_values(audit: Audit) -> dict[str, Any]:
    """Give an audit as JSON values; see `write_audit`."""
    single = ("levels", "n_judged", "wrong_fraction", "right", "n_duplicates", "groups")
    names = [each.name for each in audit.categories]
    return {
        "format": 1,
        "n_listings": len(audit.catalog.listings),
        "n_rejected": len(audit.catalog.rejected),
        **{name: getattr(audit, name) for name in single},
        "counts": dict(Counter(finding.kind for finding in audit.findings)),
        "left_out": dict(audit.left_out),
        "findings": [_values(finding) for finding in audit.findings],
        "categories": [asdict(each) for each in audit.categories],
        "pairs": [asdict(pair) | {"a": names[pair.a], "b": names[pair.b]} for pair in audit.pairs],
    }


def render_page(audit: Audit, header: Mapping[str, str]) -> str:
    """Render the page; photos are in it, small."""
    listings = dict(zip(audit.catalog.rows, audit.catalog.listings, strict=True))
    by_kind: dict[Kind, list[Finding]] = {kind: [] for kind in KINDS}
    for finding in audit.findings:
        by_kind[finding.kind].append(finding)
    sections = [
        {
            "kind": kind,
            "title": TITLES[kind][0],
            "about": TITLES[kind][1],
            "n": len(found),
            "findings": found[:MAX_SHOWN],
        }
        for kind, found in by_kind.items()
        if found
    ]
    return render(
        Path(__file__).with_name("audit.html.j2"),
        audit=audit,
        header=header,
        sections=sections,
        counts={kind: len(found) for kind, found in by_kind.items()},
        listing=listings.get,
        thumbnail=lambda image: thumbnail_uri(image, side_px=THUMBNAIL_PX),
    )


def _values(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "row": finding.row,
        "listing_id": finding.listing_id,
        "category": finding.category,
        "suggested_category": finding.suggested,
        "score": round(finding.strength, 4),
        "reason": encodable(finding.reason),
    }


def _csv_row(finding: Finding) -> tuple[object, ...]:
    values = _values(finding)
    return tuple("" if values[name] is None else values[name] for name in COLUMNS)
