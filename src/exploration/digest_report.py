"""A digest as files: a page for category managers, tables for a spreadsheet, numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalog.delimited import write_csv
from ..catalog.listing import Listing
from ..core.files import encodable, json_text, write_text
from ..core.kinds import FolderKind, folder_marked
from ..core.reports import render
from ..pipeline.category_rules import CategoryRule
from ..vision.thumbnails import thumbnail_uri
from .digest import CategoryDigest, Digest, doubt_of

DIGEST = FolderKind(
    "a digest",
    folder_marked(
        "digest.json", {"decisions", "categories"}, "digest.html", "digest.csv", "categories.csv"
    ),
)
COLUMNS = (
    *("category", "group", "row", "listing_id", "title", "decision", "doubt"),
    *("probability", "second_guess", "reaches_own_cut_off"),
)
CATEGORY_COLUMNS = ("category", "listings", "accepted", "doubtful", "groups", "own_cut_off")
N_SHOWN, MAX_CATEGORIES = 6, 40
THUMBNAIL_PX = 150


def write_digest(
    digest: Digest, out: Path, listings: Mapping[int, Listing], header: Mapping[str, str]
) -> Path:
    """Write ``digest.html``, ``digest.csv``, ``categories.csv``, ``digest.json``; gives the page.

    Parameters
    ----------
    listings
        Data row -> the listing, for photos.
    header
        What the page says about its making; shown as written.
    """
    page = render(
        Path(__file__).with_name("digest.html.j2"),
        digest=digest,
        header=header,
        shown=[each for each in digest.categories if each.clusters][:MAX_CATEGORIES],
        n_shown=N_SHOWN,
        cut_offs=cut_offs,
        second=second_guess,
        thumbnail=lambda row: thumbnail_uri(listings[row].image, side_px=THUMBNAIL_PX),
    )
    write_csv(out / "digest.csv", COLUMNS, _rows(digest))
    write_csv(out / "categories.csv", CATEGORY_COLUMNS, map(_category_row, digest.categories))
    write_text(out / "digest.html", page)
    write_text(out / "digest.json", json_text(digest_values(digest)))
    return out / "digest.html"


def digest_values(digest: Digest) -> dict[str, Any]:
    """Give a digest as JSON values."""
    return {
        "format": 1,
        "decisions": dict(digest.decisions),
        "rejected": dict(digest.rejected),
        "categories": [
            {
                "name": each.name,
                "n": each.n,
                "n_accepted": each.n_accepted,
                "n_would_pass": len(each.would_pass),
                "own_rules": [rule.to_json() for rule in each.own_rules],
                "groups": [
                    {"rows": group.rows, "words": group.words, "doubts": dict(group.doubts)}
                    for group in each.clusters
                ],
            }
            for each in digest.categories
        ],
    }


def cut_offs(category: CategoryDigest) -> list[tuple[str, str]]:
    """Say a category's own cut-offs: the evidence, and the cut-off or that none is shown."""
    return [(" + ".join(sorted(each.modalities)), _cut_off(each)) for each in category.own_rules]


def second_guess(digest: Digest, row: int) -> str:
    """Name the second likeliest category of a listing."""
    top = digest.judged[row].verdict.top_k
    return f"{top[1].category} ({top[1].probability:.0%})" if len(top) > 1 else ""


def _cut_off(each: CategoryRule) -> str:
    rule = each.rule
    if rule.threshold > 1:
        return f"none shown to keep {rule.target_precision * 100:g}%"
    return f"{rule.threshold:.3f} ({rule.precision:.1%} of {rule.n_calibration:,} held-out right)"


def _rows(digest: Digest) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for category in digest.categories:
        for number, group in enumerate(category.clusters, start=1):
            for row in group.rows:
                one = digest.judged[row]
                rows.append(
                    (
                        *(category.name, number, row, one.verdict.listing_id),
                        *(encodable(one.title or ""), one.verdict.decision),
                        *(doubt_of(one.verdict), one.verdict.probability),
                        *(second_guess(digest, row), row in category.would_pass),
                    )
                )
    return rows


def _category_row(each: CategoryDigest) -> tuple[object, ...]:
    said = "; ".join(f"{evidence}: {cut_off}" for evidence, cut_off in cut_offs(each))
    return each.name, each.n, each.n_accepted, each.n_doubtful, len(each.clusters), said
