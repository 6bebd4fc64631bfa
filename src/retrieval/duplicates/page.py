"""Duplicates side by side, as a page for people."""

from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import cv2
import numpy as np

from ...catalog.listing import Listing, numbered_photo
from ...core.reports import render
from ...vision.thumbnails import thumbnail_uri
from .alignment import Transform
from .match import DuplicateResult

MAX_PAIRS_SHOWN = 200
MAX_GROUPS_SHOWN = 100
MAX_PHOTOS_SHOWN = 8  # of one group
THUMBNAIL_PX = 220
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def render_page(result: DuplicateResult) -> str:
    """Render the page: it needs no network, runs no script, and shows titles as plain text."""
    shown: dict[tuple[int, int], str | None] = {}  # by identity: many pairs show one listing

    def thumbnail(listing: Listing, number: int = 1) -> str | None:
        key = id(listing), number
        if key not in shown:
            image = numbered_photo(listing, number)
            shown[key] = thumbnail_uri(image, side_px=THUMBNAIL_PX, enlarge=True)
        return shown[key]

    pairs = [
        {
            "pair": pair,
            "titles": word_differences(pair.a.title, pair.b.title),
            "regions": matched_regions(pair.photo.alignment.transform),
        }
        for pair in result.pairs[:MAX_PAIRS_SHOWN]
    ]
    return render(
        Path(__file__).with_name("report.html.j2"),
        result=result,
        counts=Counter(pair.verdict for pair in result.pairs),
        n_members=sum(len(group.members) for group in result.groups),
        groups=result.groups[:MAX_GROUPS_SHOWN],
        max_photos=MAX_PHOTOS_SHOWN,
        pairs=pairs,
        thumbnail=thumbnail,
    )


def word_differences(a: str | None, b: str | None) -> tuple[list[tuple[str, bool]], ...]:
    """Split two titles into runs of words, each with whether the other title lacks it.

    >>> word_differences("Mug red 300 ml", "Mug blue 300 ml")[0]
    [('Mug', False), ('red', True), ('300 ml', False)]
    """
    words = [(title or "").split() for title in (a, b)]
    folded_a, folded_b = ([word.casefold().strip(",;:.()") for word in side] for side in words)
    runs: tuple[list[tuple[str, bool]], ...] = ([], [])
    matcher = SequenceMatcher(None, folded_a, folded_b, autojunk=False)
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        for side, run, (start, end) in zip(words, runs, ((a0, a1), (b0, b1)), strict=True):
            if start < end:
                run.append((" ".join(side[start:end]), kind != "equal"))
    return runs


def matched_regions(transform: Transform) -> tuple[str, str]:
    """Outline each photo inside the other, as SVG points in percent: b in a, then a in b.

    `transform`, of shape ``(2, 3)``, takes a point of a to b, both in fractions.
    """
    outlines = []
    for matrix in (cv2.invertAffineTransform(transform), transform):
        corners = 100 * (_CORNERS @ matrix[:, :2].T + matrix[:, 2])
        seen = np.clip(corners, 1, 99)  # on or beyond the edge it could not be seen
        outlines.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in seen))
    return outlines[0], outlines[1]
