"""Pieces of HTML that the demo's tabs share; whatever a seller wrote shows as text.

Each string is whole by itself and styled by ``style.css``. A sign and a word stand beside every
colour, so that nothing is told by colour alone.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import Environment

from ...catalog.listing import category_levels
from ...core.reports import templates
from ...pipeline.verdict import MISMATCH, Guess, Verdict, percent
from ...retrieval.index.records import Record

_HERE = Path(__file__).parent
UNUSUAL = 0.2
"""Below this p-value a listing that belongs is worth a word."""


class Words(NamedTuple):
    """How a value is told: a sign, a word or two, and a sentence."""

    sign: str
    name: str
    meaning: str


DECISIONS = {
    "accept": Words("✓", "Accept", "Sure enough to go on the shelf without a look."),
    "review": Words("?", "Please check", "Somebody should have a look before it goes live."),
    "out_of_catalogue": Words(
        "⊘", "Not for this catalogue", "It looks like nothing that is sold here."
    ),
    "rejected": Words("✕", "Couldn't be read", "There is no verdict on this listing."),
}
ROUTES = {
    "fusion": "photo and text together",
    "image_only": "the photo alone",
    "text_only": "the text alone",
    "zero_shot": "the category's name alone",
}
VIEWS = {
    "photo": Words("▣", "Photo", ""),
    "title": Words("T", "Title", ""),
    "description": Words("¶", "Description", ""),
}
COPIES = {
    "same_photo": Words("=", "Same photo", ""),
    "same_product": Words("≈", "Same product", ""),
    "variant": Words("~", "Variant", ""),
    "different": Words("≠", "Different", ""),
}


def verdict_html(verdict: Verdict, *, note: str = "", more: bool = False) -> str:
    """Show a verdict: decision, category, why, the likeliest categories, what each view says.

    `note` is a sentence below the decision, such as where the listing went; `more` adds a button
    for what is like it.
    """
    views = [
        (VIEWS[part], guess, guess.category == verdict.category)
        for part, guess in verdict.views.items()
    ]
    alerts = verdict_alerts(verdict)
    return render(
        "verdict.html.j2",
        verdict=verdict,
        words=DECISIONS[verdict.decision],
        levels=category_levels(verdict.category or ""),
        route=ROUTES.get(verdict.route or "", ""),
        together=next(iter(verdict.top_k), None),
        views=views,
        ordinary=ordinariness(verdict.ood_p_value),
        quality=verdict.quality,
        alerts=alerts,
        reasons=[reason for reason in verdict.reasons if reason not in alerts],
        note=note,
        more=more and verdict.decision != "rejected",
    )


def verdict_alerts(verdict: Verdict) -> list[str]:
    """Say what must not be overlooked: a drift, and that photo and title don't match.

    What a reason says already is said in its words, so that a card can leave that reason out.
    """
    alerts = []
    if (shift := verdict.shift) is not None:
        accepted = verdict.decision == "accept"
        said = shift.warning(held=False) if accepted else shift.finding
        alerts.append(shift.reason if shift.reason in verdict.reasons else said)
    return alerts + ([MISMATCH] if verdict.mismatch else [])


def similar_html(
    verdict: Verdict, records: Mapping[str, Record], photos: Mapping[str, str | None]
) -> str:
    """Show a verdict's duplicates and neighbours with their photos.

    By listing id there is what the index knows (else the id stands alone) and a photo's data URI
    (else a placeholder).
    """
    return render("similar.html.j2", verdict=verdict, records=records, photos=photos, copies=COPIES)


def spoken(verdict: Verdict) -> str:
    """Say a verdict in one sentence to screen readers, as soon as it is there."""
    return render("spoken.html.j2", verdict=verdict, words=DECISIONS[verdict.decision])


def bars(guesses: Sequence[Guess], *, caption: str) -> str:
    """Show categories with their probabilities as a list of bars, in the order given."""
    return render("bars.html.j2", guesses=guesses, caption=caption)


def progress(
    heading: str,
    detail: str,
    n_done: int,
    n_rows: int,
    *,
    note: str = "",
    counts: Mapping[str, int] | None = None,
) -> str:
    """Show how far long work is; `counts` tells decisions."""
    return render(
        "progress.html.j2",
        heading=heading,
        detail=detail,
        note=note,
        n_done=n_done,
        n_rows=n_rows,
        counts=[(decision, n) for decision in DECISIONS if (n := (counts or {}).get(decision))],
        words=DECISIONS,
    )


def banner(warnings: Sequence[str]) -> str:
    """Show above results what must not be overlooked; empty without any warning."""
    return render("banner.html.j2", warnings=warnings) if warnings else ""


def notice(text: str, *, heading: str = "", kind: Literal["hint", "error"] = "hint") -> str:
    """Show a message in a card's place."""
    return render("notice.html.j2", text=text, heading=heading, kind=kind)


def ordinariness(p_value: float | None) -> str:
    """Say an out-of-catalogue p-value in words; empty if there is none.

    >>> ordinariness(0.004)
    "Of the catalogue's own listings, fewer than 1% look at least as unusual."
    """
    if p_value is None:
        return ""
    share = "fewer than 1%" if p_value < 0.01 else f"{p_value:.0%}"
    said = f"Of the catalogue's own listings, {share} look at least as unusual."
    return said if p_value < UNUSUAL else f"Nothing unusual. {said}"


def asset(name: str) -> str:
    """Read a file that the page is made with."""
    return (_HERE / name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """Give the JavaScript that an element of the page runs as it is loaded."""
    return "\n".join(asset(f"scripts/{name}.js") for name in names)


@cache
def _templates() -> Environment:
    made = templates(_HERE / "templates")
    made.filters["percent"] = percent
    return made


def render(template: str, **values: object) -> str:
    """Fill in a template of ``templates/``; every value is escaped."""
    return _templates().get_template(template).render(**values)
