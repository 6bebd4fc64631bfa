"""An explanation to look at: a fragment for pages, and the page of `shelfsure explain`."""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from PIL import Image
from scipy.special import expit

from ..core.files import write_text
from ..core.kinds import FileKind
from ..core.reports import jpeg_uri, templates
from ..fusion.views import DESCRIPTION, PHOTO, TITLE
from ..text.contributions import WordContributions
from .account import ANSWER, Account
from .explanation import Explanation, Pixels
from .verdict import percent

_HERE = Path(__file__).parent
_MARK = b'<meta name="generator" content="shelfsure explain">'
NOTHING_NATS = 0.02
"""Where no word or region does more, none gets a colour."""
MOST_HEAT = 0.75
"""How opaque a heat map is where it is hottest."""


def _is_own(path: Path) -> bool:
    with path.open("rb") as file:
        return _MARK in file.read(1024)


EXPLANATION = FileKind("an explanation", _is_own)


class Bar(NamedTuple):
    """A step of the account: from where the steps before it end; places in percent."""

    label: str
    nats: float
    left: float
    width: float
    zero: float
    total: bool


class Piece(NamedTuple):
    """A word, region, or what stands between words (without `nats`); strength is 0 to 1."""

    text: str
    nats: float | None = None
    strength: float = 0.0


def write_explanation(explanation: Explanation, path: Path, *, header: Mapping[str, str]) -> None:
    """Write a page that needs no network and runs no script.

    Parameters
    ----------
    header
        What the page says about its making; shown as written.
    """
    account = explanation.account
    page = (
        _templates()
        .get_template("explanation.html.j2")
        .render(
            explanation=explanation,
            header=header,
            account=Markup(account_html(account, explanation.photo)),  # noqa: S704 (escaped)
            style=Markup(account_style()),  # noqa: S704 (our own file)
            heat=heat_uri(explanation),
            dividends=[(" + ".join(_in_order(p)), nats) for p, nats in account.dividends.items()],
        )
    )
    write_text(path, page)


def account_html(account: Account, photo: Pixels | None = None) -> str:
    """Show an account, with words and regions if it has them.

    Parameters
    ----------
    photo
        That the regions belong to.
    """
    regions = account.regions
    shown = None if regions is None or photo is None else jpeg_uri(Image.fromarray(photo))
    values = {
        "account": account,
        "bars": bars(account),
        "probability": percent(float(expit(account.answer_nats))),
        "together": _together(account),
        "texts": {part.title(): pieces(words) for part, words in account.words.items()},
        "photo": shown,
    }
    if regions is not None:
        flat = _with_strength(regions.nats.ravel().tolist())
        columns = regions.nats.shape[1]
        rows = [flat[start : start + columns] for start in range(0, len(flat), columns)]
        values |= {"regions": rows, "box": regions.box}
    return _templates().get_template("account.html.j2").render(**values)


def account_style() -> str:
    """Give the style that `account_html` needs: besides it, what cards and quiet text look like."""
    return (_HERE / "account.css").read_text(encoding="utf-8")


def bars(account: Account) -> list[Bar]:
    """Lay the account out as steps from nothing to the answer, all on one scale."""
    steps = {"By its share of the catalogue": account.prior_nats}
    steps |= {part.title(): nats for part, nats in account.parts.items()}
    ends = np.cumsum([0.0, *steps.values()])
    low, high = float(ends.min()), float(ends.max())
    scale = 100 / max(high - low, 1e-9)
    spans = [*pairwise(ends.tolist()), (0.0, float(ends[-1]))]
    named = [*steps.items(), (ANSWER.capitalize(), account.answer_nats)]
    return [
        Bar(
            label,
            nats,
            (min(span) - low) * scale,
            abs(span[1] - span[0]) * scale,
            -low * scale,
            place == len(steps),
        )
        for place, ((label, nats), span) in enumerate(zip(named, spans, strict=True))
    ]


def pieces(words: WordContributions) -> list[Piece]:
    """Cut a text into its words and what stands between them, nothing left out."""
    found, done = [], 0
    valued = _with_strength([word.nats for word in words.words])
    for word, piece in zip(words.words, valued, strict=True):
        found += [Piece(words.text[done : word.start]), piece._replace(text=word.text)]
        done = word.end
    return [piece for piece in [*found, Piece(words.text[done:])] if piece.text]


def heat_uri(explanation: Explanation) -> str | None:
    """Draw the Grad-CAM heat map over its photo, as a data URI; None where there is none."""
    photo, heat = explanation.photo, explanation.heatmap
    if photo is None or heat is None:
        return None
    warmth = np.clip(heat, 0, 1)
    colours = cv2.applyColorMap(np.rint(255 * warmth).astype(np.uint8), cv2.COLORMAP_PLASMA)
    opacity = (MOST_HEAT * warmth)[..., None]
    drawn = (1 - opacity) * photo + opacity * colours[..., ::-1]
    return jpeg_uri(Image.fromarray(np.rint(drawn).astype(np.uint8)))


def signed(nats: float) -> str:
    """Write nats with a sign.

    >>> signed(-1.234), signed(0.001)
    ('−1.23', '0.00')
    """
    text = f"{abs(nats):.2f}"
    return text if float(text) == 0 else f"{'−' if nats < 0 else '+'}{text}"


def _together(account: Account) -> str:
    """Say in a sentence what the photo-text interaction means."""
    nats = account.photo_text_nats
    if nats is None:
        return ""
    if abs(nats) < NOTHING_NATS:
        return "Photo and text add up: neither changes what the other is worth."
    if nats < 0:
        return (
            f"Photo and text say in part the same: together {signed(nats)} beside what each says "
            "alone, which is shared out among them."
        )
    return f"Photo and text say more together: {signed(nats)} beside what each says alone."


def _with_strength(values: list[float]) -> list[Piece]:
    strongest = max(map(abs, values), default=0.0)
    scale = 1 / strongest if strongest > NOTHING_NATS else 0.0
    return [Piece("", value, abs(value) * scale) for value in values]


def _in_order(parts: frozenset[str]) -> list[str]:
    return [part for part in (PHOTO, TITLE, DESCRIPTION) if part in parts]


@cache
def _templates() -> Environment:
    made = templates(_HERE)
    made.filters["signed"] = signed
    return made
