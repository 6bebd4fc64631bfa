"""Several at once: listings of a kind that wait, as a grid; those ticked get one answer."""

from collections.abc import Collection, Mapping
from typing import Any, cast

import gradio as gr

from ....core.errors import ShelfsureError
from ....vision.thumbnails import thumbnail_uri
from ...review.store import ReviewStore
from ...review.together import alike, answer_together, waiting_categories
from ...service import Service
from ..html import render, script
from ..inputs import QUIET, html_field

N_SHOWN = 24


class TogetherPanel:
    """The panel's fields, and what they do; `answered` has fired once answers were saved."""

    def __init__(self, service: Service, reviews: ReviewStore, who: Any) -> None:
        self.service, self.reviews = service, reviews
        with gr.Accordion("Several at once", open=False, elem_id="review-together") as panel:
            with gr.Row():
                self.seems = _categories("They seem to be", "together-seems", typed=False)
                self.words = gr.Textbox(label="Their title contains", elem_id="together-words")
                self.category = _categories("They are (empty: what they seem to be)", "together-is")
            self.grid = html_field("together-grid", js_on_load=script("together"))
        asked = [self.seems, self.words, self.category]
        panel.expand(self.choices, None, [self.seems, self.category], **QUIET)
        gr.on(
            [
                panel.expand,
                self.seems.input,
                self.words.submit,
                self.words.blur,
                self.category.input,
            ],
            self.shown,
            asked,
            self.grid,
            **QUIET,
        )
        self.answered = self.grid.click(self.act, [*asked, who], self.grid, **QUIET)

    def choices(self) -> tuple[Any, Any]:
        counted = waiting_categories(self.reviews)
        seems = [(f"{name} ({n:,})", name) for name, n in counted]
        return gr.Dropdown(choices=seems), gr.Dropdown(
            choices=sorted(self.service.pipeline.class_names)
        )

    def shown(
        self,
        seems: str | None,
        words: str | None,
        category: str | None,
        request: gr.Request,
        said: str = "",
        trouble: str = "",
        ticked: Collection[int] = (),
    ) -> str:
        if not seems and not (words or "").strip():
            return render("review_together.html.j2", asked=False, said=said, trouble=trouble)
        found = alike(self.reviews, seems or None, words or "", N_SHOWN, request.session_hash or "")
        return render(
            "review_together.html.j2",
            asked=True,
            items=found.items,
            photos={item.item_id: thumbnail_uri(item.listing.image) for item in found.items},
            n_more=found.n - len(found.items),
            category=(category or "").strip() or seems,
            said=said,
            trouble=trouble,
            ticked={item.item_id for item in found.items} & {*ticked},
        )

    def act(
        self,
        event: gr.EventData,
        seems: str | None,
        words: str | None,
        category: str | None,
        who: str,
        request: gr.Request,
    ) -> str:
        asked = event._data or {}
        said, trouble = answer_ticked(self.reviews, asked, who)
        ticked = _numbers(asked.get("items")) if trouble else []  # they aren't lost
        return self.shown(seems, words, category, request, said, trouble, ticked)


def answer_ticked(reviews: ReviewStore, asked: Mapping[str, Any], who: str) -> tuple[str, str]:
    """Answer what was ticked; say what was done, or what is wrong.

    Asked is a ``kind``, ``items`` and, where one is named, a ``category``. It comes from a browser,
    so anything may be in it.
    """
    kind, items = asked.get("kind"), asked.get("items")
    try:
        if kind not in {"category", "not_sold"} or not isinstance(items, list):
            return "", ""
        ids = [int(item) for item in items]
        category = str(asked.get("category") or "")
        n = answer_together(reviews, ids, cast(Any, kind), category, who)
    except (ShelfsureError, TypeError, ValueError, OverflowError) as error:
        return "", str(error).replace(str(reviews.path), reviews.path.name)
    late = f" {len(ids) - n} had an answer meanwhile." if n < len(ids) else ""
    return f"Saved {n:,} answers. “Undo my last answer” takes all of them back.{late}", ""


def _numbers(items: Any) -> list[int]:
    return [int(item) for item in items if str(item).isdecimal()] if isinstance(items, list) else []


def _categories(label: str, elem_id: str, *, typed: bool = True) -> Any:
    return gr.Dropdown([], value=None, allow_custom_value=typed, label=label, elem_id=elem_id)
