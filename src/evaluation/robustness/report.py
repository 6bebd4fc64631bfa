"""Robustness as files: a page with the same few photos under every condition, CSV, JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.delimited import write_csv
from ...catalog.listing import Listing
from ...core.errors import PhotoError
from ...core.files import json_text, write_text
from ...core.kinds import FolderKind, folder_marked
from ...core.reports import render
from ...vision.load import PhotoLimits
from ...vision.thumbnails import thumbnail_uri
from .conditions import Condition, disturbed, pixels_of
from .measure import Robustness, severities
from .summary import UNDISTURBED, cell_name

ROBUSTNESS = FolderKind(
    "a robustness report",
    folder_marked(
        "robustness.json",
        {"cells", "broken", "target_precision"},
        *("cells.csv", "robustness.html", "rejected.csv"),
    ),
)
N_SHOWN = 3
THUMBNAIL_PX = 120
WAYS = {"listing": "all that a listing has", "photo": "the photo alone", "title": "the title alone"}


def write_report(
    found: Robustness, said: Mapping[str, Any], out: Path, *, header: Mapping[str, str]
) -> Path:
    """Write ``robustness.html``, ``cells.csv`` and ``robustness.json``, each whole or not at all.

    Parameters
    ----------
    said
        Its `summary`; ``robustness.json`` is that.
    header
        What the page says about its making; shown as written.

    Returns
    -------
    Path
        The page: one file that needs no network and runs no script.
    """
    page = _page(found, said, header)
    numbers = json_text(said)
    cells = said["cells"]
    write_csv(out / "cells.csv", list(cells[0]), [list(cell.values()) for cell in cells])
    write_text(out / "robustness.html", page)
    write_text(out / "robustness.json", numbers)
    return out / "robustness.html"


def promise_text(said: Mapping[str, Any]) -> str:
    """Say in how many cells the accepted answers keep the promise, and where they don't."""
    n, broken, promised = n_accepting(said), said["broken"], f"{said['target_precision']:.1%}"
    nothing = len(said["cells"]) - n
    empty = f" In {nothing} more nothing is accepted." if nothing else ""
    if not n:
        return f"Nothing is accepted in any of {nothing} cells, so none shows the promise kept."
    if not broken:
        return f"The promise ({promised}) is kept in all {n} cells that accept something.{empty}"
    return (
        f"The promise ({promised}) is broken in {len(broken)} of {n} cells that accept something: "
        f"{', '.join(broken[:8])}{', ...' if len(broken) > 8 else ''}. Of cells that are just as "
        f"right as promised, 1 in 20 would seem so by chance.{empty}"
    )


def n_accepting(said: Mapping[str, Any]) -> int:
    """Count the cells in which something is accepted."""
    return sum(cell["n_accepted"] > 0 for cell in said["cells"])


def _page(found: Robustness, said: Mapping[str, Any], header: Mapping[str, str]) -> str:
    cells = {(c["condition"], c["severity"], c["by"]): c for c in said["cells"]}
    shown = _shown(found.catalog.listings)
    return render(
        Path(__file__).parents[1] / "robustness.html.j2",
        said=said,
        header=header,
        promise=promise_text(said),
        n_accepting=n_accepting(said),
        n_shown=0,
        ways={by: WAYS[by] for by in found.undisturbed},
        before={by: cells[UNDISTURBED, 0, by] for by in found.undisturbed},
        worst=min(said["cells"], key=lambda c: 1 if c["precision"] is None else c["precision"]),
        cell_name=cell_name,
        originals=[_seen(listing) for listing in shown],
        sections=[
            {
                "condition": each,
                "rows": [
                    {
                        "severity": severity,
                        "strength": each.severities[severity - 1],
                        "seen": _examples(shown, each, severity),
                        "cells": {
                            by: cells[each.name, severity, by]
                            for by in found.undisturbed
                            if (each.name, severity, by) in cells
                        },
                    }
                    for severity in severities(each)
                ],
            }
            for each in found.conditions
        ],
    )


def _shown(listings: Sequence[Listing]) -> list[Listing]:
    """Choose a few listings from all along, with photos if there are such."""
    some = [each for each in listings if each.image is not None] or list(listings)
    places = np.linspace(0, len(some) - 1, min(N_SHOWN, len(some))).round().astype(int)
    return [some[place] for place in places]


def _examples(listings: Sequence[Listing], each: Condition, severity: int) -> list[dict[str, Any]]:
    seen = []
    for listing in listings:
        try:
            photo = pixels_of(listing, PhotoLimits()) if listing.image is not None else None
        except PhotoError:
            photo = None
        changed = disturbed(listing, photo, each, severity)
        if each.part == "title":
            seen.append({"photo": None, "title": (changed or listing).title})
        else:
            seen.append(_seen(changed or listing))
    return seen


def _seen(listing: Listing) -> dict[str, Any]:
    return {"photo": thumbnail_uri(listing.image, side_px=THUMBNAIL_PX), "title": listing.title}
