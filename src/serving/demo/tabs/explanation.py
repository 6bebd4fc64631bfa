"""Why: what adds up to the answer, where on the photo it lies, and what each word does."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from ....core.arrays import Floats
from ....core.errors import ShelfsureError
from ....pipeline.explanation import (
    Explanation,
    account_listing,
    explain_listing,
    shown_photo,
)
from ....pipeline.explanation_report import account_html
from ....text.contributions import WordContributions
from ...service import Service
from ..figures import heatmap_figure, probabilities_figure
from ..html import notice, render
from ..inputs import html_field

WORTH_A_SIGN = 0.1
"""A word with less than this share of the strongest word's effect gets no sign."""
NOTHING_NATS = 0.02
_DETAILS = "What does each word and region add? (some seconds)"
_UNDER_WAY = "Asking about words and regions …"
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")


class Part(NamedTuple):
    """A stretch of text: a word's sign (1 for, -1 against, 0 neither) and strength, 0 to 1."""

    text: str
    sign: int
    strength: float


def explanation_section() -> list[Any]:
    """Build the section; its parts are what `explain` fills, and `explain_details` two of them."""
    with gr.Column(visible=False, elem_id="why") as section:
        account = html_field("why-account")
        details = gr.Button(_DETAILS, size="sm", elem_id="why-details")
        words = html_field("why-words")
        with gr.Row():
            options = {"show_label": False, "min_width": 280}
            heatmap = gr.Plot(label="Heatmap on the photo", elem_id="why-heatmap", **options)
            parts = gr.Plot(label="What each part says", elem_id="why-parts", **options)
    return [section, words, heatmap, parts, account, details]


def explain(service: Service, checked: Any) -> list[Any]:
    """Explain what was checked, a `check.Checked`; nothing shows where it is None."""
    nothing = [gr.Plot(None, visible=False), None, "", gr.Button(visible=False)]
    if checked is None:
        return [gr.Column(visible=False), "", *nothing]
    try:
        found = explain_listing(service.pipeline, checked[0])
    except ShelfsureError as error:
        text = notice(str(error), heading="No explanation")
        return [gr.Column(visible=True), text, *nothing]
    figure = heatmap_figure(found)
    return [
        gr.Column(visible=True),
        words_html(found),
        gr.Plot(figure, visible=figure is not None),
        probabilities_figure(found),
        account_html(found.account),
        gr.Button(_DETAILS, visible=True, interactive=True),
    ]


def explain_details(service: Service, checked: Any) -> Iterator[list[Any]]:
    """Say of what was checked what each word and region adds: the account and its button."""
    if checked is None:
        yield [gr.skip(), gr.Button(visible=False)]
        return
    yield [gr.skip(), gr.Button(_UNDER_WAY, interactive=False)]
    try:
        account = account_listing(service.pipeline, checked[0], details=True)
        photo = shown_photo(service.pipeline, checked[0])
    except ShelfsureError as error:
        yield [notice(str(error), heading="No explanation"), gr.Button(visible=False)]
        return
    yield [account_html(account, photo), gr.Button(visible=False)]


def words_html(explanation: Explanation) -> str:
    """Show title and description with each word's part in the answer, by sign and by colour."""
    texts = {"Title": explanation.title, "Description": explanation.description}
    return render(
        "explanation.html.j2",
        category=explanation.category,
        texts={name: text_parts(words) for name, words in texts.items() if words.words},
        place=None if explanation.heatmap is None else hottest_place(explanation.heatmap),
    )


def text_parts(words: WordContributions) -> list[Part]:
    """Cut a text into its words and what stands between them, nothing left out."""
    strongest = max((abs(word.nats) for word in words.words), default=0.0)
    parts, done = [], 0
    for word in words.words:
        strength = abs(word.nats) / strongest if strongest > NOTHING_NATS else 0.0
        sign = int(np.sign(word.nats)) if strength >= WORTH_A_SIGN else 0
        parts += [Part(words.text[done : word.start], 0, 0.0), Part(word.text, sign, strength)]
        done = word.end
    parts.append(Part(words.text[done:], 0, 0.0))
    return [part for part in parts if part.text]


def hottest_place(heatmap: Floats) -> str | None:
    """Say in words where a heatmap, shape ``(height, width)``, is hottest; None if it is all 0.

    >>> hottest_place(np.eye(3) * [0, 0, 1])
    'bottom right'
    """
    if not heatmap.any():
        return None
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    height, width = heatmap.shape
    place = f"{_ROWS[3 * int(row) // height]} {_COLUMNS[3 * int(column) // width]}".strip()
    return place or "centre"
