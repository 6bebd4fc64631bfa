"""The tab "Search": listings of an index like a photo, words, both, or another listing."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.context import Context

from ....catalog.listing import Listing
from ....core.errors import ConfigError, ListingIndexError, PhotoError, ShelfsureError
from ...indexes import BUNDLE, NO_INDEX, named_indexes
from ...search import SearchResult
from ...service import Service
from ..html import notice, script
from ..inputs import (
    PRIVATE,
    QUIET,
    explained,
    html_field,
    listing_of,
    photo_input,
    photo_trouble,
)
from ..search_page import results_html, search_link

COUNTS = (12, 24, 48)
MAX_CHARS = 2_000
_START = notice(
    "Add a photo, words, or both, and press “Search”. “More like this”, at any verdict and any "
    "listing beside it, comes here, too.",
    heading="What is found appears here",
)
OwnListing = Callable[[Any, Mapping[str, Any]], Listing | None]
"""From a state of another tab, and what its button says, to the listing that is shown there."""


class SearchTab:
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=300):
                self._build_inputs()
            with gr.Column(scale=8, min_width=300):
                clicks = script("more_like", "address")
                self.results = html_field("search-results", _START, js_on_load=clicks)
        self._connect()

    def _build_inputs(self) -> None:
        self.photo = photo_input(
            label="Photo",
            sources=["upload", "clipboard"],
            height=240,
            buttons=[],
            alt_text="The photo to search by",
            elem_id="search-photo",
        )
        self.words = gr.Textbox(
            label="Words",
            placeholder="blue bath towel",
            max_length=MAX_CHARS,
            elem_id="search-words",
        )
        with gr.Row():
            self.choice = gr.Dropdown([], value=None, label="Index", elem_id="search-index")
            self.count = gr.Dropdown(
                list(COUNTS), value=COUNTS[0], label="Results", min_width=90, elem_id="search-count"
            )
        self.button = gr.Button("Search", variant="primary", elem_id="search-button")

    def _connect(self) -> None:
        tab, root = Context.block, Context.root_block
        asked = [self.photo, self.words, self.choice, self.count]
        shown = {"show_progress_on": self.results, **PRIVATE}
        starts = [self.button.click, self.words.submit]
        gr.on(starts, self.search, asked, self.results, **shown)
        opened = [self.choice, self.results]
        gr.on([root.load, tab.select], self.choices, self.choice, opened, **QUIET)
        self.photo.input(self.chosen, self.photo, [self.photo, self.results], **QUIET)
        fields = [self.photo, self.words, self.choice, self.results]
        self.results.click(self.like, [self.choice, self.count], fields, **shown)

    def listen(self, tabs: Any, part: Any, state: Any, own: OwnListing) -> None:
        """Let the buttons "More like this" of another tab's part open this one."""

        def more(event: gr.EventData, held: Any, count: int) -> tuple[Any, ...]:
            asked = event._data or {}
            if listing_id := str(asked.get("like") or ""):
                shown = self.found_like(listing_id, BUNDLE, count)
            elif (listing := own(held, asked)) is not None:
                shown = self.found(listing, BUNDLE, count)
            else:
                return (gr.skip(),) * 5
            return gr.Tabs(selected="search"), None, "", BUNDLE, shown

        opened = [tabs, self.photo, self.words, self.choice, self.results]
        part.click(more, [state, self.count], opened, **PRIVATE)

    def chosen(self, photo: str | None) -> tuple[Any, str]:
        """Show nothing of another photo's results, and what is wrong with this one, if anything."""
        trouble = photo_trouble(photo)
        return None if trouble else gr.skip(), trouble or _START

    def search(self, photo: str | None, words: str, choice: str | None, count: int) -> str:
        if photo is None and not words.strip():
            return _START
        return self.found(listing_of(photo, words), choice, count)

    def like(self, event: gr.EventData, choice: str | None, count: int) -> tuple[Any, ...]:
        asked = str((event._data or {}).get("like") or "")
        return None, "", gr.skip(), self.found_like(asked, choice, count)

    def opened(self, request: gr.Request) -> Any:
        """Show what the page's address asks for, see `search_link`."""
        asked = dict(request.query_params)
        if asked.get("tab") != "search" or not asked.get("like"):
            return gr.skip()
        return self.found_like(asked["like"], asked.get("index"), COUNTS[0])

    def found(self, listing: Listing, choice: str | None, count: int) -> str:
        """Show what is like a listing, or what hinders that."""
        parts = [
            name for name, there in (("photo", listing.image), ("words", listing.title)) if there
        ]
        heading = f"Most like the {' and '.join(parts)}"
        if listing.title:
            heading += f" “{listing.title}”"
        ask = self.service.searcher.by_listing
        return _shown(lambda: ask(self.service.pipeline, listing, count, choice or BUNDLE), heading)

    def found_like(self, listing_id: str, choice: str | None, count: int) -> str:
        """Show what is like a listing of the index, or what hinders that."""
        index, pipeline = choice or BUNDLE, self.service.pipeline
        ask = self.service.searcher.by_id
        return _shown(
            lambda: ask(pipeline, listing_id, count, index),
            f"Most like {listing_id}",
            search_link(listing_id, index),
        )

    def choices(self, chosen: str | None, request: gr.Request) -> tuple[Any, Any]:
        """List the indexes at hand; say what to do where there is none."""
        chosen = chosen or request.query_params.get("index")
        choices = named_indexes(self.service.pipeline)
        names = [name for _, name in choices]
        if not names:
            return gr.Dropdown(choices=[], value=None), notice(NO_INDEX, heading="No index")
        return gr.Dropdown(
            choices=choices, value=chosen if chosen in names else names[0]
        ), gr.skip()


def _shown(search: Callable[[], SearchResult], heading: str, link: str = "") -> str:
    try:
        return results_html(search(), heading, link=link)
    except (ListingIndexError, ConfigError, PhotoError) as error:
        return notice(str(error), heading="Nothing to show", kind="error")
    except ShelfsureError as error:
        return notice(explained(error), kind="error")
