"""The tab "Check a listing": a photo and a title in, the verdict and its reasons out."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from ....catalog.listing import Listing
from ....core.errors import ShelfsureError
from ....pipeline.verdict import Verdict
from ....vision.thumbnails import thumbnail_uri
from ...review.records import ReviewsFullError
from ...service import QueueFullError
from ..examples import unpack_examples
from ..html import notice, similar_card, spoken, verdict_card
from ..photo_input import listing_of, photo_input
from .explanation import explanation_section
from .own_labels import own_labels_section

if TYPE_CHECKING:
    from ....pipeline.pipeline import ListingPipeline
    from ...review.store import ReviewStore
    from ...service import Service

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
_TO_VERDICT = """() => {
  const verdict = document.getElementById("check-verdict");
  const side_by_side = matchMedia("(min-width: 768px)").matches;
  if (!side_by_side) verdict.scrollIntoView({block: "start"});
}"""
"""On a phone the verdict would appear below what is seen."""
_NO_ANSWER = "The model can't answer at the moment; the server's log says why."


@dataclass(frozen=True)
class Checked:
    """A listing that has its verdict."""

    listing: Listing
    verdict: Verdict


@dataclass(frozen=True)
class Answer:
    """What the page shows: HTML, and whether the listing went to the review queue."""

    card: str
    similar: str = ""
    checked: Checked | None = None
    queued: bool = False


def check_tab(service: "Service", reviews: "ReviewStore") -> None:
    """Build the tab inside the open `gr.Tab`."""
    checked = gr.State(None, time_to_live=3600)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            photo = photo_input(
                label="Photo",
                sources=["upload", "clipboard", "webcam"],
                webcam_options=gr.WebcamOptions(mirror=False),
                height=280,
                buttons=[],
                alt_text="The photo to check",
                elem_id="check-photo",
            )
            title = gr.Textbox(
                label="Title",
                placeholder="Blue cotton bath towel, 70 x 140 cm",
                max_length=MAX_CHARS,
                elem_id="check-title",
            )
            description = gr.Textbox(
                label="Description (may stay empty)",
                lines=3,
                max_lines=8,
                max_length=MAX_CHARS,
                elem_id="check-description",
            )
            button = gr.Button("Check this listing", variant="primary", elem_id="check-button")
            tries = _example_buttons([photo, title, description])
            own_labels_section(service, photo, title)
        with gr.Column(scale=7, min_width=300):
            card = gr.HTML(_START, elem_id="check-verdict", apply_default_css=False)
            flag = gr.Button(_FLAG, size="sm", visible=False, elem_id="check-flag")
            similar = gr.HTML("", elem_id="check-similar", apply_default_css=False)
            explain, explained = explanation_section(service)

    def check(photo: str | None, title: str, description: str) -> Iterator[tuple[Any, ...]]:
        waiting = gr.skip() if service.ready else _LOADING
        yield None, waiting, "", gr.Button(visible=False)  # what was there is out of date
        answer = judge(service, reviews, listing_of(photo, title, description))
        may_flag = answer.checked is not None and not answer.queued
        flag = gr.Button(_FLAG, visible=may_flag, interactive=True)
        yield answer.checked, answer.card, answer.similar, flag

    def flag_it(shown: Checked | None) -> Any:
        if shown is None:
            return gr.Button(visible=False)
        problem = queue(reviews, shown)
        return gr.Button(problem or "✓ Flagged: it is in the review queue", interactive=False)

    inputs, outputs = [photo, title, description], [checked, card, similar, flag]
    options = {
        "concurrency_limit": N_AT_ONCE,
        "show_progress_on": card,
        "api_visibility": "private",
    }
    asked = [gr.on([button.click, title.submit], check, inputs, outputs, **options)]
    asked += [loaded.then(check, inputs, outputs, **options) for loaded in tries]
    for event in asked:
        event.then(None, js=_TO_VERDICT).then(explain, checked, explained, api_visibility="private")
    flag.click(flag_it, checked, flag, api_visibility="private")


def judge(service: "Service", reviews: "ReviewStore", listing: Listing) -> Answer:
    """Ask for a verdict, queue what is to be reviewed, and put it all into HTML."""
    if listing.image is None and listing.title is None:
        return Answer(_START)
    try:
        verdict = service.judge(listing)
    except QueueFullError as error:
        text = f"Too many listings are waiting. Try again in {error.retry_after_s} seconds."
        return Answer(notice(text, kind="error"))
    except ShelfsureError:
        _LOG.exception("a listing from the page got no verdict")
        return Answer(notice(_NO_ANSWER, kind="error"))
    checked, note, queued = Checked(listing, verdict), "", False
    if verdict.decision == "review":
        problem = queue(reviews, checked)
        note, queued = problem or _QUEUED, not problem
    return Answer(
        card=spoken(verdict) + verdict_card(verdict, note=note),
        similar=similar_listings(service.pipeline, verdict),
        checked=None if verdict.decision == "rejected" else checked,
        queued=queued,
    )


def queue(reviews: "ReviewStore", checked: Checked) -> str:
    """Put a listing into the review queue; what hinders it comes back in words."""
    try:
        reviews.add(checked.listing, checked.verdict)
    except ReviewsFullError:
        return "The review queue is full: work some of it off first."
    except ShelfsureError:
        _LOG.exception("a listing from the page couldn't be queued for review")
        return "It couldn't be put into the review queue; the server's log says why."
    return ""


def similar_listings(pipeline: "ListingPipeline", verdict: Verdict) -> str:
    """Show a verdict's duplicates and neighbours with what the bundle's index knows of them."""
    if pipeline.retrieval is None or pipeline.retrieval.index is None:
        return ""
    ids = {copy.listing_id for copy in verdict.duplicates}
    ids |= {near.listing_id for near in verdict.neighbours}
    records = pipeline.retrieval.index.records(ids)
    photos = {key: thumbnail_uri(record.image) for key, record in records.items()}
    return similar_card(verdict, records, photos)


def _example_buttons(fields: Sequence[Any]) -> list[Any]:
    """Build the examples; each event fills the fields."""
    folder = tempfile.TemporaryDirectory(prefix="shelfsure-examples-")
    events = []
    gr.HTML('<h2 class="sf-small-heading">Or try one of these</h2>', apply_default_css=False)
    with gr.Row(elem_classes="sf-examples"):
        for example in unpack_examples(Path(folder.name)):
            button = gr.Button(example.name, size="sm", min_width=96, icon=example.photo)
            if button.icon:  # or it would be deleted like an upload
                button.keep_in_cache.add(button.icon["path"])

            def fill(example: Any = example, _kept: Any = folder) -> tuple[str | None, str, str]:
                return example.photo and str(example.photo), example.title, ""

            events.append(button.click(fill, None, list(fields), api_visibility="private"))
    return events
