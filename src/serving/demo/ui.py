"""The demo's page: five tabs over one service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from .html import notice, render
from .tabs.batch import batch_tab
from .tabs.check import check_tab
from .tabs.duplicates import duplicates_tab
from .tabs.evaluate import evaluate_tab
from .tabs.review import review_tab
from .theme import LOGO, NAME, appearance

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..review.store import ReviewStore
    from ..service import Service

MAX_WAITING = 64
"""Events of the page that may wait; beyond, Gradio tells people to come back."""
LOADING = notice(
    "Fill in what you like meanwhile. The first start takes half a minute, because a catalogue to "
    "compare with is embedded then; later ones take seconds.",
    heading="The model is loading …",
)
DELETE_EVERY_S, DELETE_AFTER_S = 600, 3600
"""Uploads are deleted from the disk an hour after they came."""


def build_ui(service: "Service", reviews: "ReviewStore", *, local: bool) -> Any:
    """Build the page; nothing of it, fonts and usage statistics included, leaves this machine.

    Parameters
    ----------
    service
        Answers; it may still be loading its bundle.
    reviews
        Where doubtful listings go.
    local
        The server listens on this machine alone, so that its folders may be typed into the page.

    Returns
    -------
    gradio.Blocks
        To be served by `mount_ui`, which adds its looks.
    """
    page = gr.Blocks(
        title=NAME,
        analytics_enabled=False,
        delete_cache=(DELETE_EVERY_S, DELETE_AFTER_S),
        fill_width=True,
    )
    with page:
        gr.HTML(render("header.html.j2", name=NAME, logo=LOGO), apply_default_css=False)
        loading = gr.HTML("", elem_id="loading", apply_default_css=False)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            with gr.Tab("Check a listing", id="check"):
                check_tab(service, reviews)
            with gr.Tab("Batch", id="batch"):
                batch_tab(service, reviews, local=local)
            with gr.Tab("Duplicates", id="duplicates"):
                duplicates_tab(service, local=local)
            with gr.Tab("Evaluate", id="evaluate"):
                evaluate_tab(service, local=local)
            with gr.Tab("Review queue", id="review"):
                review_tab(service, reviews)
        footer = gr.HTML(footer_html(None), elem_id="footer", apply_default_css=False)

        def load() -> Iterator[tuple[str, str]]:
            if not service.ready:
                yield LOADING, footer_html(None)
            yield "", footer_html(service)

        page.load(
            load,
            None,
            [loading, footer],
            concurrency_limit=None,  # nobody waits for the model because others do
            api_visibility="private",
            show_progress="hidden",
        )
    return page.queue(max_size=MAX_WAITING)


def mount_ui(
    app: "FastAPI", service: "Service", reviews: "ReviewStore", *, local: bool
) -> "FastAPI":
    """Mount the page on an application, looks and limits included."""
    page = build_ui(service, reviews, local=local)
    page.has_launched = True  # as `launch` does: else Gradio takes any file here for an upload
    return gr.mount_gradio_app(app, page, "/", **appearance())  # type: ignore[no-any-return]


def footer_html(service: "Service | None") -> str:
    """Say which model answers and where data goes; without a service, that it is still loading."""
    pipeline = service.pipeline if service else None
    return render(
        "footer.html.j2",
        version=pipeline.version if pipeline else "",
        n_categories=len(pipeline.class_names) if pipeline else 0,
    )
