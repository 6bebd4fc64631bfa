"""Several at once: listings of a kind that wait, as a grid; those ticked get one answer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, cast
from urllib.parse import urlencode

import gradio as gr
from gradio.context import Context

from ....core.errors import ShelfsureError
from ....vision.thumbnails import thumbnail_uri
from ...review.store import ReviewStore
from ...review.together import alike, answer_together, waiting_categories
from ...service import Service
from ..html import render, script
from ..inputs import QUIET, html_field

N_SHOWN = 24


@dataclass(frozen=True)
class Asked:
    """Which listings to show: what they seem to be, words of their titles, the page, from 0."""

    seems: str = ""
    words: str = ""
    page: int = 0

    @classmethod
    def of_address(cls, query: Mapping[str, str]) -> "Asked":
        """Read what the page's address asks for."""
        page = query.get("from", "")
        number = int(page) if page.isdecimal() and len(page) < 7 else 1
        return cls(query.get("seems", ""), query.get("words", ""), max(0, number - 1))

    @property
    def here(self) -> str:
        """Write it as a part of the page's address."""
        page = self.page + 1 if self.page else ""
        return urlencode({"seems": self.seems, "words": self.words, "from": page})


class TogetherPanel:
    """The panel's fields, and what they do; `answered` has fired once answers were saved."""

    def __init__(self, service: Service, reviews: ReviewStore, who: Any) -> None:
        self.service, self.reviews = service, reviews
        self.page = gr.State(0)
        with gr.Accordion("Several at once", open=False, elem_id="review-together") as panel:
            with gr.Row():
                self.seems = _categories("They seem to be", "together-seems", typed=False)
                self.words = gr.Textbox(label="Their title contains", elem_id="together-words")
                self.category = _categories("They are (empty: what they seem to be)", "together-is")
            scripts = script("address", "together")
            self.grid = html_field("together-grid", js_on_load=scripts)
        asked = [self.seems, self.words, self.category]
        panel.expand(self.choices, None, [self.seems, self.category], **QUIET)
        narrowed = [self.seems.input, self.words.submit, self.words.blur]
        gr.on(narrowed, self.narrow, asked, [self.page, self.grid], **QUIET)
        named = [panel.expand, self.category.input]
        gr.on(named, self.shown, [*asked, self.page], self.grid, **QUIET)
        self.grid.submit(self.turn, asked, [self.page, self.grid], **QUIET)
        given = [*asked, self.page, who]
        self.answered = self.grid.click(self.act, given, self.grid, **QUIET)
        fields = [panel, self.seems, self.words, self.category, self.page, self.grid]
        Context.root_block.load(self.opened, None, fields, **QUIET)

    def choices(self) -> tuple[Any, Any]:
        return gr.Dropdown(choices=self._seems()), self._categories()

    def opened(self, request: gr.Request) -> Any:
        """Show the listings that the page's address asks for."""
        asked = Asked.of_address(request.query_params)
        if not asked.seems and not asked.words:
            return (gr.skip(),) * 6
        choices = self._seems()
        waits = asked.seems in [name for _, name in choices]
        seems = gr.Dropdown(choices=choices, value=asked.seems if waits else None)
        grid = self.shown(asked.seems, asked.words, None, asked.page, request)
        return gr.Accordion(open=True), seems, asked.words, self._categories(), asked.page, grid

    def _seems(self) -> list[tuple[str, str]]:
        return [(f"{name} ({n:,})", name) for name, n in waiting_categories(self.reviews)]

    def _categories(self) -> Any:
        return gr.Dropdown(choices=sorted(self.service.pipeline.class_names))

    def narrow(
        self, seems: str | None, words: str | None, category: str | None, request: gr.Request
    ) -> tuple[int, str]:
        return 0, self.shown(seems, words, category, 0, request)

    def turn(
        self,
        event: gr.EventData,
        seems: str | None,
        words: str | None,
        category: str | None,
        request: gr.Request,
    ) -> tuple[int, str]:
        asked = str((event._data or {}).get("page", ""))
        page = int(asked) if asked.isdecimal() and len(asked) < 7 else 0
        return page, self.shown(seems, words, category, page, request)

    def shown(
        self,
        seems: str | None,
        words: str | None,
        category: str | None,
        page: int,
        request: gr.Request,
        said: str = "",
        trouble: str = "",
        ticked: Collection[int] = (),
    ) -> str:
        asked = Asked(seems or "", (words or "").strip(), page)
        told: dict[str, Any] = {"asked": asked, "said": said, "trouble": trouble}
        if not asked.seems and not asked.words:
            return render("review_together.html.j2", **told)
        kind = (self.reviews, asked.seems or None, asked.words, N_SHOWN, request.session_hash or "")
        found = alike(*kind, first=page * N_SHOWN)
        n_pages = max(1, ceil(found.n / N_SHOWN))
        if page >= n_pages:  # the last ones were answered
            told["asked"] = replace(asked, page=n_pages - 1)
            found = alike(*kind, first=(n_pages - 1) * N_SHOWN)
        return render(
            "review_together.html.j2",
            **told,
            items=found.items,
            photos={item.item_id: thumbnail_uri(item.listing.image) for item in found.items},
            n_pages=n_pages,
            category=(category or "").strip() or seems,
            ticked={item.item_id for item in found.items} & {*ticked},
        )

    def act(
        self,
        event: gr.EventData,
        seems: str | None,
        words: str | None,
        category: str | None,
        page: int,
        who: str,
        request: gr.Request,
    ) -> str:
        asked = event._data or {}
        said, trouble = answer_ticked(self.reviews, asked, who)
        ticked = _numbers(asked.get("items")) if trouble else []  # they aren't lost
        return self.shown(seems, words, category, page, request, said, trouble, ticked)


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
