"""The tab "Check a listing": a photo and a title in, the verdict and its reasons out."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import gradio as gr

from ....catalog.listing import MAX_PHOTOS, Listing
from ....core.errors import ShelfsureError
from ....core.scratch import new_scratch_folder
from ....pipeline.verdict import Verdict
from ...indexes import own_index
from ...review.records import ReviewsFullError
from ...review.store import ReviewStore
from ...service import QueueFullError, Service
from ..examples import unpack_examples
from ..html import notice, script, spoken, verdict_html
from ..inputs import (
    NO_ANSWER,
    PRIVATE,
    QUIET,
    html_field,
    listing_of,
    photo_input,
    photo_trouble,
)
from ..search_page import brand_html
from ..verdict_table import similar_listings
from .explanation import explain, explain_details, explanation_section
from .own_labels import own_labels_section

_LOG = logging.getLogger(__name__)
MAX_CHARS = 20_000
N_AT_ONCE = 8
"""People who may wait for a verdict at once; the service judges them together."""
_START = notice(
    "Add a photo, a title, or both, and press “Check this listing”; or try an example.",
    heading="The verdict appears here",
)
_LOADING = notice("The verdict follows as soon as it is there.", heading="The model is loading …")
_QUEUED = "It is in the review queue now, so that somebody has a look."
_FLAG = "Looks wrong? Flag for review"


Checked: TypeAlias = tuple[Listing, Verdict]


@dataclass(frozen=True)
class CheckResult:
    """What the page shows: HTML, and whether the listing went to the review queue."""

    html: str
    similar: str = ""
    checked: Checked | None = None
    queued: bool = False


class CheckTab:
    """The tab's fields, built inside the open `gr.Tab`, and what they do."""

    def __init__(self, service: Service, reviews: ReviewStore) -> None:
        self.service, self.reviews = service, reviews
        self.checked = gr.State(None, time_to_live=3600)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
                self.button = gr.Button(
                    "Check this listing", variant="primary", elem_id="check-button"
                )
                fields = [self.photo, self.title, self.description, self.more]
                examples = _example_buttons(fields)
                own_labels_section(service, self.photo, self.title)
            with gr.Column(scale=7, min_width=300):
                more = script("more_like")
                self.verdict = html_field("check-verdict", _START, js_on_load=more)
                self.flag = gr.Button(_FLAG, size="sm", visible=False, elem_id="check-flag")
                self.similar = html_field("check-similar", js_on_load=more)
                self.explanation = explanation_section()
        self._connect(examples)

    def _build_inputs(self) -> None:
        self.photo = photo_input(
            label="Photo",
            sources=["upload", "clipboard", "webcam"],
            webcam_options=gr.WebcamOptions(mirror=False),
            height=280,
            buttons=[],
            alt_text="The photo to check",
            elem_id="check-photo",
        )
        with gr.Accordion("More photos of it", open=False, elem_id="check-further"):
            self.more = gr.File(
                label=f"Up to {MAX_PHOTOS - 1}; the one above is the main one",
                file_count="multiple",
                file_types=["image"],
                height=130,
                elem_id="check-more",
            )
        self.title = gr.Textbox(
            label="Title",
            placeholder="Blue cotton bath towel, 70 x 140 cm",
            max_length=MAX_CHARS,
            elem_id="check-title",
        )
        self.description = gr.Textbox(
            label="Description (may stay empty)",
            lines=3,
            max_lines=8,
            max_length=MAX_CHARS,
            elem_id="check-description",
        )

    def _connect(self, examples: Sequence[Any]) -> None:
        account, button = self.explanation[-2:]
        details = button.click(
            partial(explain_details, self.service),
            self.checked,
            [account, button],
            concurrency_limit=1,
            show_progress_on=account,
            **PRIVATE,
        )
        asked = {
            "fn": self.check,
            "inputs": [self.photo, self.title, self.description, self.more],
            "outputs": [self.checked, self.verdict, self.similar, self.flag],
            "concurrency_limit": N_AT_ONCE,
            "show_progress_on": self.verdict,
            "cancels": [details],  # of another listing
            **PRIVATE,
        }
        answered = [gr.on([self.button.click, self.title.submit], **asked)]
        answered += [filled.then(**asked) for filled in examples]
        explained = partial(explain, self.service)
        under_way = [*answered, details]
        for event in answered:
            shown = event.then(None, js=script("scroll_to_verdict"))
            under_way.append(shown.then(explained, self.checked, self.explanation, **PRIVATE))
        about = [*asked["outputs"], *self.explanation]
        about.append(self.photo)
        changed = [self.photo.input, self.more.upload, self.more.delete, self.more.clear]
        gr.on(changed, self.cleared, self.photo, about, cancels=under_way, **QUIET)
        self.flag.click(self.flag_it, self.checked, self.flag, **PRIVATE)

    def check(
        self, photo: str | None, title: str, description: str, more: list[str] | None
    ) -> Iterator[tuple[Any, ...]]:
        waiting = gr.skip() if self.service.ready else _LOADING
        yield None, waiting, "", gr.Button(visible=False)  # what was there is out of date
        found = judge(self.service, self.reviews, listing_of(photo, title, description, more))
        may_flag = found.checked is not None and not found.queued
        flag = gr.Button(_FLAG, visible=may_flag, interactive=True)
        yield found.checked, found.html, found.similar, flag

    def cleared(self, photo: str | None) -> list[Any]:
        """Show nothing of another photo's verdict, and what is wrong with this one, if anything."""
        trouble = photo_trouble(photo)
        nothing = [None, trouble or _START, "", gr.Button(visible=False)]
        return [*nothing, *explain(self.service, None), None if trouble else gr.skip()]

    def flag_it(self, shown: Checked | None) -> Any:
        if shown is None:
            return gr.Button(visible=False)
        problem = queue(self.reviews, *shown)
        return gr.Button(problem or "✓ Flagged: it is in the review queue", interactive=False)


def judge(service: Service, reviews: ReviewStore, listing: Listing) -> CheckResult:
    """Ask for a verdict, queue what is to be reviewed, and put it all into HTML."""
    if listing.image is None and listing.title is None:
        return CheckResult(_START)
    try:
        verdict = service.judge(listing, watched=False)  # people try odd things here
    except QueueFullError as error:
        text = f"Too many listings are waiting. Try again in {error.retry_after_s} seconds."
        return CheckResult(notice(text, kind="error"))
    except ShelfsureError:
        _LOG.exception("a listing from the page got no verdict")
        return CheckResult(notice(NO_ANSWER, kind="error"))
    note, queued = "", False
    if verdict.decision == "review":
        problem = queue(reviews, listing, verdict)
        note, queued = problem or _QUEUED, not problem
    return CheckResult(
        html=spoken(verdict) + verdict_html(verdict, note=note, more=True),
        similar=odd_brand(service, listing) + similar_listings(service.pipeline, verdict),
        checked=None if verdict.decision == "rejected" else (listing, verdict),
        queued=queued,
    )


def odd_brand(service: Service, listing: Listing) -> str:
    """Show that a title says one brand while the photo looks like another's, if it is so."""
    pipeline = service.pipeline
    if own_index(pipeline) is None:
        return ""
    hint = service.searcher.brand_hint(pipeline, listing)
    return brand_html(hint) if hint else ""


def queue(reviews: ReviewStore, listing: Listing, verdict: Verdict) -> str:
    """Put a listing into the review queue; what hinders it comes back in words."""
    try:
        reviews.add(listing, verdict)
    except ReviewsFullError:
        return "The review queue is full: work some of it off first."
    except ShelfsureError:
        _LOG.exception("a listing from the page couldn't be queued for review")
        return "It couldn't be put into the review queue; the server's log says why."
    return ""


def _example_buttons(fields: Sequence[Any]) -> list[Any]:
    """Build the examples; each event fills the fields."""
    folder = new_scratch_folder()
    events = []
    gr.HTML('<h2 class="sf-small-heading">Or try one of these</h2>', apply_default_css=False)
    with gr.Row(elem_classes="sf-examples"):
        for example in unpack_examples(folder):
            button = gr.Button(example.name, size="sm", min_width=96, icon=example.photo)
            if button.icon:  # or it would be deleted like an upload
                button.keep_in_cache.add(button.icon["path"])

            def fill(example: Any = example) -> tuple[str | None, str, str, None]:
                return example.photo and str(example.photo), example.title, "", None

            events.append(button.click(fill, None, list(fields), **PRIVATE))
    return events
