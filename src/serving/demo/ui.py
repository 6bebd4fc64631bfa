"""The demo's page: six tabs over one service, in our colours and the system's own fonts."""

import json
import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from fastapi import FastAPI
from gradio.utils import get_upload_folder
from starlette.middleware.cors import CORSMiddleware

from ...core.scratch import new_scratch_folder
from ...pipeline.explanation_report import account_style
from ..review.store import ReviewStore
from ..service import Service
from .firewall import MAX_UPLOAD_BYTES, Firewall
from .html import asset, notice, render, script
from .inputs import QUIET, html_field
from .jobs.folder import JobStore
from .jobs.running import Jobs
from .tabs.batch import BatchTab, shown_row
from .tabs.check import CheckTab
from .tabs.duplicates import DuplicatesTab
from .tabs.evaluate import EvaluateTab
from .tabs.review import ReviewTab
from .tabs.search import SearchTab

_LOG = logging.getLogger(__name__)
NAME = "Shelfsure"
MAX_WAITING = 64
"""Events of the page that may wait; beyond, Gradio tells people to come back."""
LOADING = notice(
    "Fill in what you like meanwhile. The first start takes half a minute, because a catalogue to "
    "compare with is embedded then; later ones take seconds.",
    heading="The model is loading …",
)
MAX_SESSIONS = 300
"""Pages whose fields are remembered, a quarter of a megabyte each; Gradio by itself keeps 10,000,
closed ones too. Beyond, the one that was used least lately is forgotten."""
DELETE_EVERY_S, DELETE_AFTER_S = 600, 3600
"""Uploads are deleted from the disk an hour after they came."""


def build_ui(service: Service, reviews: ReviewStore, *, local: bool) -> Any:
    """Build the page; nothing of it, fonts and usage statistics included, leaves this machine.

    `local`: the server listens on this machine alone, so that its folders may be typed into the
    page. `mount_ui` adds its looks.
    """
    page = gr.Blocks(
        title=NAME,
        analytics_enabled=False,
        delete_cache=(DELETE_EVERY_S, DELETE_AFTER_S),
        fill_width=True,
    )
    page.state_session_capacity = MAX_SESSIONS
    jobs = Jobs(JobStore(jobs_folder(reviews)), lambda: service.ending)
    with page:
        gr.HTML(
            render("header.html.j2", name=NAME, logo=asset("logo.svg")), apply_default_css=False
        )
        loading = html_field("loading")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Check a listing", id="check"):
                check = CheckTab(service, reviews)
            with gr.Tab("Search", id="search"):
                search = SearchTab(service)
            with gr.Tab("Batch", id="batch"):
                batch = BatchTab(service, reviews, jobs, local=local)
            with gr.Tab("Duplicates", id="duplicates"):
                DuplicatesTab(service, jobs, local=local)
            with gr.Tab("Evaluate", id="evaluate"):
                EvaluateTab(service, jobs, local=local)
            with gr.Tab("Review queue", id="review"):
                review = ReviewTab(service, reviews)
        for part in (check.verdict, check.similar):
            search.listen(tabs, part, check.checked, lambda held, _: held and held[0])
        search.listen(tabs, batch.chosen, batch.state, shown_row)
        search.listen(tabs, review.listing, review.current, review.listing_of)
        html_field("zoom", render("zoom.html.j2"), js_on_load=script("zoom") + script("tab"))
        footer = html_field("footer", footer_html(None))
        load = partial(footer_when_loaded, service)
        # nobody waits for the model because others do
        page.load(load, None, [loading, footer], concurrency_limit=None, **QUIET)
        page.load(None, None, tabs, js=script("asked_tab"), **QUIET)
        page.load(search.opened, None, search.results, **QUIET)
    return page.queue(max_size=MAX_WAITING)


def jobs_folder(reviews: ReviewStore) -> Path:
    """Give the place where jobs lie: beside the reviews, or where that can't be, until the end."""
    root = reviews.path.with_name(f"{reviews.path.stem}-jobs")
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    _LOG.warning("jobs don't outlive the server, because %s isn't writable", root)
    return new_scratch_folder()


def footer_when_loaded(service: Service) -> Iterator[tuple[str, str]]:
    """Say that the model is loading, while it is, which one it is then, and if a trial is over."""
    if not service.ready:
        yield LOADING, footer_html(None)
    footer = footer_html(service)  # once it is loaded
    off = service.challenger.off if service.challenger else None
    yield notice(off.said, heading="The trial is over") if off else "", footer


def mount_ui(service: Service, reviews: ReviewStore, *, local: bool) -> Firewall:
    """Make an application of the page, and open of it what the page needs."""
    # a killed server's uploads go when the next one starts
    os.environ.setdefault("GRADIO_TEMP_DIR", str(new_scratch_folder()))
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    site.add_middleware(CORSMiddleware)  # no origin is let in; Gradio alone would let in any
    page = build_ui(service, reviews, local=local)
    page.has_launched = True  # as `launch` does: else Gradio takes any file here for an upload
    site = gr.mount_gradio_app(site, page, "/", **appearance())
    return Firewall(site, frozenset(page.fns), Path(get_upload_folder()))


def appearance() -> dict[str, Any]:
    """Give `gradio.mount_gradio_app` its keyword arguments: looks, limits, and what stays off.

    Gradio's own footer, run history, monitoring, server-side rendering, MCP and the details of
    unexpected errors stay off.
    """
    icon = quote(asset("logo.svg"))
    return {
        "theme": theme(),
        "css": asset("style.css") + account_style(),
        "head": f'<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,{icon}">',
        "footer_links": [],
        "max_file_size": MAX_UPLOAD_BYTES,
        **dict.fromkeys(("run_history", "show_error", "ssr_mode", "enable_monitoring"), False),
        **dict.fromkeys(("pwa", "mcp_server"), False),
    }


def theme() -> Any:
    """Make the theme: system fonts only, so that no font is fetched, and AA contrast throughout."""
    looks = json.loads(asset("theme.json"))
    teal = gr.themes.Color(name="shelf", **looks["teal"])
    made = gr.themes.Base(
        primary_hue=teal,
        secondary_hue=teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"),
        font_mono=("ui-monospace", "SFMono-Regular", "Consolas", "monospace"),
    )
    return made.set(**looks["values"])


def footer_html(service: Service | None) -> str:
    """Say which model answers and where data goes; without a service, that it is still loading."""
    pipeline = service.pipeline if service else None
    return render(
        "footer.html.j2",
        version=pipeline.version if pipeline else "",
        n_categories=len(pipeline.class_names) if pipeline else 0,
    )
