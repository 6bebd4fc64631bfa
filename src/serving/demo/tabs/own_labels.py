"""Zero-shot on the page: sort the listing into categories that the user types."""

from functools import partial
from typing import Any

import gradio as gr
import numpy as np

from ....catalog.listing import Listing
from ....core.errors import ConfigError, ShelfsureError
from ....pipeline.pipeline import ListingPipeline
from ....pipeline.verdict import Guess
from ....retrieval.zero_shot.classifier import ZeroShot
from ....retrieval.zero_shot.labels import read_labels
from ...service import Service
from ..html import bars, notice
from ..inputs import PRIVATE, html_field, listing_of

MAX_LABELS = 200


def own_labels_section(service: Service, photo: Any, title: Any) -> None:
    """Build the section; it reads the tab's photo and title fields."""
    with gr.Accordion("Try your own categories", open=False, elem_id="own-labels"):
        typed = gr.Textbox(
            label="Categories, separated by commas",
            info="Nothing is trained: photo and title are compared with what the names mean.",
            placeholder="tent, sleeping bag, camp stove",
            max_length=20_000,
            elem_id="own-labels-names",
        )
        button = gr.Button("Sort into these", size="sm", elem_id="own-labels-button")
        result = html_field("own-labels-result")
    asked = partial(sorted_html, service)
    gr.on([button.click, typed.submit], asked, [photo, title, typed], result, **PRIVATE)


def sorted_html(service: Service, photo: str | None, title: str | None, typed: str) -> str:
    """Show how a listing sorts into the typed categories, or what hinders it."""
    try:
        guesses = sort_into(service.pipeline, listing_of(photo, title), typed)
    except ShelfsureError as error:
        return notice(str(error), kind="error")
    return bars(guesses, caption="By their names alone")


def sort_into(pipeline: ListingPipeline, listing: Listing, typed: str) -> list[Guess]:
    """Sort one listing into categories known by their names only, the likeliest first.

    The names are typed, separated by commas or line ends. A ConfigError, if there are too few or
    too many, nothing to sort, or no image-text space.
    """
    names, descriptions = read_labels(typed.replace("\n", ","), None)
    if len(names) > MAX_LABELS:
        raise ConfigError(f"At most {MAX_LABELS} categories fit here, got {len(names)}.")
    retrieval = pipeline.retrieval
    if retrieval is None or retrieval.space is None:
        raise ConfigError("This bundle can't compare photos with words. Load a starter bundle.")
    embedded = pipeline.embedder.embed([listing], description=False)
    if embedded.problems:
        raise ConfigError(embedded.problems[0])
    if not (embedded.photo.present[0] or embedded.title.present[0]):
        raise ConfigError("There is nothing to sort yet. Add a photo, a title, or both.")
    zero_shot = ZeroShot.from_names(names, descriptions, retrieval.space)
    probabilities = zero_shot.classify(*retrieval.in_text_space(embedded))[0]
    return [
        Guess(category=names[i], probability=float(probabilities[i]))
        for i in np.argsort(-probabilities, kind="stable")
    ]
