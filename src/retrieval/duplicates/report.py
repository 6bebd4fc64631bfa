"""Duplicates as files: tables for programs, a page for people, a plan for whoever merges."""

from pathlib import Path
from typing import Any

from ...catalog.delimited import write_csv
from ...catalog.listing import FIELDS, MORE_IMAGES, Listing
from ...core.files import encodable, json_text, write_text
from ...core.kinds import FolderKind, folder_marked
from .match import DuplicateResult
from .page import render_page
from .verdict import DuplicatePair

DUPLICATES = FolderKind(
    "a search for duplicates",
    folder_marked(
        "merge.json",
        {"how_to_apply", "steps"},
        *("pairs.csv", "groups.csv", "merge.csv", "report.html", "rejected.csv"),
    ),
)
PAIR_COLUMNS = (
    "listing_id_a",
    "listing_id_b",
    "verdict",
    "probability",
    "photo_similarity",
    "title_similarity",
    "evidence",
    "title_a",
    "title_b",
)
STEP_COLUMNS = ("step", "listing_id", "into", "verdict", "probability", "title", "title_into")
GROUP_COLUMNS = ("group", "listing_id", "role", "verdict", "probability")


def write_duplicates(result: DuplicateResult, out_dir: str | Path) -> Path:
    """Write ``pairs.csv``, ``groups.csv``, ``merge.json`` and the page ``report.html``.

    ``merge.csv`` holds the merge plan's steps, one a row, for a spreadsheet.

    Each file appears whole or not at all; the folder is made if needed. The page, whose path is
    returned, comes last: one file that needs no network and runs no script.
    """
    out = Path(out_dir)
    page = render_page(result)
    write_csv(out / "pairs.csv", PAIR_COLUMNS, map(pair_row, result.pairs))
    write_csv(out / "groups.csv", GROUP_COLUMNS, _group_rows(result))
    write_csv(out / "merge.csv", STEP_COLUMNS, _step_rows(result))
    write_text(out / "merge.json", json_text(merge_plan(result)))
    write_text(out / "report.html", page)
    return out / "report.html"


def merge_plan(result: DuplicateResult) -> dict[str, Any]:
    """Say what to merge into what, and what each merged listing was, so that it can come back.

    Nothing is merged here. Whoever does takes each step's ``listing_id`` off the shelf and lets it
    lead to ``into``; to undo, they put ``before`` back under its ``listing_id``.
    """
    return {
        "format": 1,
        "how_to_apply": "For each step: take listing_id off the shelf and let it lead to into.",
        "how_to_undo": "For each step, last one first: restore listing_id from before.",
        "steps": [
            {
                "listing_id": member.listing_id,
                "into": group.keeper.listing_id,
                "verdict": pair.verdict,
                "probability": round(pair.photo.probability, 4),
                "before": _fields(member),
            }
            for group in result.groups
            for member, pair in zip(group.members, group.pairs, strict=True)
        ],
    }


def pair_row(pair: DuplicatePair) -> tuple[object, ...]:
    """Give a pair as a row of `PAIR_COLUMNS`; photos that weren't there have no numbers."""
    absent = pair.photo.relation == "absent"
    return (
        pair.a.listing_id,
        pair.b.listing_id,
        pair.verdict,
        "" if absent else f"{pair.photo.probability:.4f}",
        "" if absent else f"{pair.photo.similarity:.4f}",
        "" if pair.title_similarity is None else f"{pair.title_similarity:.4f}",
        pair.evidence,
        encodable(pair.a.title or ""),
        encodable(pair.b.title or ""),
    )


def _group_rows(result: DuplicateResult) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number, group in enumerate(result.groups, start=1):
        rows.append((number, group.keeper.listing_id, "keeper", "", ""))
        rows += [
            (number, member.listing_id, "member", pair.verdict, f"{pair.photo.probability:.4f}")
            for member, pair in zip(group.members, group.pairs, strict=True)
        ]
    return rows


def _step_rows(result: DuplicateResult) -> list[tuple[object, ...]]:
    steps = [
        (group.keeper, member, pair)
        for group in result.groups
        for member, pair in zip(group.members, group.pairs, strict=True)
    ]
    return [
        (
            number,
            member.listing_id,
            keeper.listing_id,
            pair.verdict,
            "" if pair.photo.relation == "absent" else f"{pair.photo.probability:.4f}",
            member.title or "",
            keeper.title or "",
        )
        for number, (keeper, member, pair) in enumerate(steps, start=1)
    ]


def _fields(listing: Listing) -> dict[str, Any]:
    image = listing.image
    fields = {name: getattr(listing, name) for name in FIELDS}
    fields["image"] = str(image) if isinstance(image, str | Path) else None
    more = [str(one) for one in listing.more_images if isinstance(one, str | Path)]
    return fields | ({MORE_IMAGES: more} if more else {})
