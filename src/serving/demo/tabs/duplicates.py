"""The tab "Duplicates": groups side by side, an answer to each, a plan of what to merge."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from ....catalog.listing import Listing
from ....core.errors import ConfigError, ListingIndexError, ShelfsureError
from ....retrieval.duplicates.page import word_differences
from ....vision.thumbnails import thumbnail_uri
from ...indexes import NONE
from ...service import Service
from .. import inputs
from ..duplicate_review import KINDS, DuplicateReview, write_plan
from ..duplicate_search import Found, chosen_index, index_choices, search_duplicates
from ..html import COPIES, notice, render, script
from ..uploads.archives import keep_only
from ..uploads.uploads import Workspace, read_upload

_START = notice(
    "Add a catalogue to look through, choose an index, or both: then the catalogue's listings are "
    "compared with the index. To try it out, choose “The model's own catalogue” as the index.",
    heading="What is listed twice appears here",
)


PAGE, PHOTO_PX = 10, 400
"""Cases on one page; the longer side of a photo, which may be enlarged."""


@dataclass
class DuplicateSession:
    """What one visitor's page shows: of what was found, the kind, openness and page they chose.

    `root` is the upload's folder; `photos` were shrunk already, by the listing's identity.
    """

    place: Workspace
    found: Found
    root: Path | None = None
    kind: str = ""
    only_open: bool = False
    page: int = 0
    photos: dict[int, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.review = DuplicateReview(self.found.result)

    def photo(self, listing: Listing) -> str | None:
        if id(listing) not in self.photos:
            self.photos[id(listing)] = thumbnail_uri(listing.image, side_px=PHOTO_PX)
        return self.photos[id(listing)]


class DuplicatesTab:
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    def __init__(self, service: Service, *, local: bool) -> None:
        self.service, self.local = service, local
        self.state = gr.State(None, delete_callback=lambda held: held and held.place.close())
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
            with gr.Column(scale=7, min_width=300):
                clicks = script("duplicate_summary")
                self.summary = inputs.html_field("duplicates-summary", _START, js_on_load=clicks)
                with gr.Column(visible=False, elem_id="duplicates-found") as self.found_any:
                    self._build_filters()
                self.files = inputs.files_field("duplicates", "Merge plan")
        self.cases = inputs.html_field(
            "duplicates-cases", js_on_load=script("duplicate_cases", "duplicate_keys")
        )
        self._connect()

    def _build_inputs(self) -> None:
        labels = {"table": "Catalogue", "archive": "Its photos: one zip"}
        self.uploads = inputs.upload_fields("duplicates", **labels, local=self.local)
        self.choice = gr.Dropdown(
            [("None", NONE)], value=NONE, label="Index", elem_id="duplicates-index"
        )
        self.typed = gr.Textbox(
            label="Or the folder of an index on this machine",
            visible=self.local,
            elem_id="duplicates-index-folder",
        )
        self.start, self.stop = inputs.start_buttons("duplicates", "Find duplicates")

    def _build_filters(self) -> None:
        with gr.Row():
            self.kind = gr.Dropdown(
                [("All kinds", ""), *((COPIES[name].name, name) for name in KINDS)],
                value="",
                label="Show",
                elem_id="duplicates-kind",
            )
            self.only_open = gr.Checkbox(
                label="Only what has no answer yet", elem_id="duplicates-open"
            )
        self.plan = gr.Button("Make the merge plan", elem_id="duplicates-plan")

    def _connect(self) -> None:
        tab, root = Context.block, Context.root_block
        found = [self.state, self.summary, self.cases, self.files, self.found_any, self.stop]
        running = self.start.click(
            self.run,
            [*self.uploads, self.choice, self.typed, self.state],
            found,
            concurrency_limit=1,
            show_progress_on=self.summary,
            **inputs.PRIVATE,
        )
        running.then(inputs.disabled, None, self.stop, **inputs.QUIET)
        inputs.stop_by_cancelling(self.stop, self.summary, running)
        gr.on([root.load, tab.select], self.choices, None, self.choice, **inputs.QUIET)
        filters = [self.kind, self.only_open]
        changed = [each.input for each in filters]
        gr.on(changed, self.narrow, [*filters, self.state], self.cases, **inputs.QUIET)
        # a click while an earlier one is under way counts, too
        every = {"trigger_mode": "multiple", **inputs.QUIET}
        self.cases.click(self.decide, self.state, self.summary, **every)
        self.cases.submit(self.turn, self.state, self.cases, **inputs.QUIET)
        both = [self.summary, self.cases]
        self.summary.click(self.answer_rest, self.state, both, **every)
        self.plan.click(self.make_plan, self.state, self.files, **inputs.PRIVATE)

    def run(
        self,
        table: str | None,
        archive: str | None,
        photos: str,
        choice: str,
        typed: str,
        old: DuplicateSession | None,
    ) -> Iterator[dict[Any, Any]]:
        """Look through what was uploaded or chosen, and show what is there twice."""
        if old is not None:
            old.place.close()
        place = Workspace()
        cleared = {self.state: None, self.cases: "", self.files: gr.Files(visible=False)}
        cleared |= {
            self.found_any: gr.Column(visible=False),
            self.stop: gr.Button(interactive=True),
        }
        yield cleared | {self.summary: notice("Reading …")}
        pipeline = self.service.pipeline
        try:
            index = chosen_index(pipeline, choice, typed, local=self.local)
            source = inputs.photo_source(archive, photos, local=self.local)
            upload = read_upload(Path(table), source, place.folder("photos")) if table else None
            catalog = upload.catalog if upload else None
            for found in search_duplicates(pipeline, catalog, index, place.folder("cache")):
                if isinstance(found, Found):
                    listings = catalog.listings if catalog else ()
                    shown = (item.image for item in listings if isinstance(item.image, Path))
                    keep_only(place.folder("photos"), shown)
                    session = DuplicateSession(place, found, upload.root if upload else None)
                    any_pair = gr.Column(visible=bool(found.result.pairs))
                    yield {self.state: session, self.found_any: any_pair} | self.shown(session)
                else:
                    yield {self.summary: notice(found)}
        except ShelfsureError as error:
            place.close()
            yield {self.summary: notice(refused(error), kind="error")}

    def shown(self, session: DuplicateSession) -> dict[Any, Any]:
        return {self.summary: summary_html(session), self.cases: cases_html(session)}

    def narrow(self, kind: str, only_open: bool, session: DuplicateSession | None) -> str:
        if session is None:
            return ""
        session.kind, session.only_open, session.page = kind, only_open, 0
        return cases_html(session)

    def turn(self, event: gr.EventData, session: DuplicateSession | None) -> str:
        if session is None:
            return ""
        asked = _asked(event, "page")
        session.page = int(asked) if asked.isdecimal() else 0
        return cases_html(session)

    def decide(self, event: gr.EventData, session: DuplicateSession | None) -> Any:
        if session is None:
            return gr.skip()
        numbers = [int(n) for n in _asked(event, "pairs").split(",") if n.isdecimal()]
        session.review.answer(numbers, _asked(event, "answer"))
        return summary_html(session)

    def answer_rest(self, event: gr.EventData, session: DuplicateSession | None) -> Any:
        """Answer all that is open of a kind, or take the last answer back."""
        if session is None:
            return gr.skip(), gr.skip()
        if kind := _asked(event, "kind"):
            session.review.answer_rest(kind, _asked(event, "answer"))
        else:
            session.review.undo()
        return self.shown(session)

    def make_plan(self, session: DuplicateSession | None) -> Any:
        if session is None:
            gr.Warning("Find duplicates first.")
            return gr.Files(visible=False)
        made = write_plan(session.review, session.place.folder("plan"), session.root)
        return gr.Files(made, visible=True)

    def choices(self) -> Any:
        return gr.Dropdown(choices=index_choices(self.service.pipeline))


def summary_html(session: DuplicateSession) -> str:
    """Show what was found, how much of it is answered, and what can be accepted at once."""
    counts = session.review.counts()
    return render(
        "duplicate_summary.html.j2",
        heading=session.found.heading,
        note=session.found.note,
        counts=counts,
        n_pairs=sum(n for _, n, _, _ in counts),
        n_answered=len(session.review.answers),
        undoable=session.review.undoable,
        copies=COPIES,
    )


def cases_html(session: DuplicateSession) -> str:
    """Show one page of cases."""
    wanted = session.review.filtered(session.kind, only_open=session.only_open)
    n_pages = max(1, ceil(len(wanted) / PAGE))
    session.page = min(session.page, n_pages - 1)
    start = session.page * PAGE
    return render(
        "duplicate_cases.html.j2",
        cases=wanted[start : start + PAGE],
        result=session.review.result,
        answers=session.review.answers,
        photos=session.photo,
        differences=word_differences,
        copies=COPIES,
        page=session.page,
        n_pages=n_pages,
    )


def refused(error: ShelfsureError) -> str:
    """Say what a visitor can mend; an index they chose is theirs to mend."""
    if isinstance(error, ListingIndexError | ConfigError):
        return str(error)
    return inputs.explained(error)


def _asked(event: gr.EventData, name: str) -> str:
    """Read what a click brings; it comes from a browser, so anything may be in it."""
    return str((event._data or {}).get(name, ""))
