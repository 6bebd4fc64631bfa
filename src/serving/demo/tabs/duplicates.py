"""The tab "Duplicates": groups side by side, an answer to each, a plan of what to merge."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from threading import Event, Lock
from typing import Any
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import gradio as gr
from gradio.context import Context

from ....core.errors import CatalogError, ConfigError, ListingIndexError
from ....core.scratch import scratch_folder
from ....retrieval.duplicates.page import word_differences
from ...indexes import NONE
from ...service import Service
from .. import inputs
from ..duplicate_file import KeptReview, read_found, write_found
from ..duplicate_review import KINDS, write_plan
from ..duplicate_search import NOTHING, chosen_index, index_choices, search_duplicates
from ..html import COPIES, notice, render, script
from ..jobs.folder import JobFolder
from ..jobs.listings import photo_files
from ..jobs.running import Jobs, RunningJob
from ..uploads.archives import keep_only
from .job_tab import ADDRESS, Given, JobSession, JobTab, Query, Updates, read_given

_START = notice(
    "Add a catalogue to look through, choose an index, or both: then the catalogue's listings are "
    "compared with the index. To try it out, choose “The model's own catalogue” as the index.",
    heading="What is listed twice appears here",
)


PAGE = 10
"""Cases on one page."""


@dataclass
class DuplicateSession(JobSession):
    """What one visitor's page shows: of what was found, the kind, openness and page they chose.

    `pair` is the number of the pair that they asked for; -1: none.
    """

    kept: KeptReview | None = None
    kind: str = ""
    only_open: bool = False
    page: int = 0
    pair: int = -1


class DuplicatesTab(JobTab):
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    kind, views = "duplicates", ("show", "open", "page", "pair")

    def __init__(self, service: Service, jobs: Jobs, *, local: bool) -> None:
        super().__init__(jobs)
        self.service, self.local = service, local
        self._shown: WeakValueDictionary[str, KeptReview] = WeakValueDictionary()
        self._opening = Lock()
        self.state = gr.State(None)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
            with gr.Column(scale=7, min_width=300):
                self.status = inputs.html_field("duplicates-status", _START, js_on_load=ADDRESS)
                clicks = script("duplicate_summary")
                self.summary = inputs.html_field("duplicates-summary", js_on_load=clicks)
                with gr.Column(visible=False, elem_id="duplicates-found") as self.found_any:
                    self._build_filters()
                self.files = inputs.files_field("duplicates", "Merge plan")
        scripts = script("address", "duplicate_cases", "duplicate_keys")
        self.cases = inputs.html_field("duplicates-cases", js_on_load=scripts)
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
            self.kind_shown = gr.Dropdown(
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
        results = [self.summary, self.cases, self.files, self.found_any, self.kind_shown]
        results.append(self.only_open)
        self.connect([*self.uploads, self.choice, self.typed], results)
        gr.on([root.load, tab.select], self.choices, None, self.choice, **inputs.QUIET)
        filters = [self.kind_shown, self.only_open]
        changed = [each.input for each in filters]
        gr.on(changed, self.narrow, [*filters, self.state], self.cases, **inputs.QUIET)
        # a click while an earlier one is under way counts, too
        every = {"trigger_mode": "multiple", **inputs.QUIET}
        self.cases.click(self.decide, self.state, self.summary, **every)
        self.cases.submit(self.turn, self.state, self.cases, **inputs.QUIET)
        both = [self.summary, self.cases]
        self.summary.click(self.answer_rest, self.state, both, **every)
        self.plan.click(self.make_plan, self.state, self.files, **inputs.PRIVATE)

    def begin(
        self, table: str | None, archive: str | None, photos: str, choice: str, typed: str
    ) -> RunningJob:
        """Begin to look through what was uploaded or chosen."""
        chosen_index(self.service.pipeline, choice, typed, local=self.local)  # says what is wrong
        if not table and not choice and not (typed and self.local):
            raise CatalogError(NOTHING)
        given = Given({"index": choice, "index folder": typed if self.local else ""})
        given.files["table"] = Path(table) if table else None
        given.add_photos("photos", archive, photos, local=self.local)
        return self.jobs.begin(self.kind, given.asked, given.files)

    def work(self, job: JobFolder, cancelled: Event) -> Iterator[str]:
        """Look for what is there twice."""
        pipeline, asked = self.service.pipeline, job.asked
        typed = asked["index folder"]
        index = chosen_index(pipeline, asked["index"], typed, local=bool(typed))
        upload = read_given(job) if job.given("table") else None
        catalog = upload.catalog if upload else None
        for found in search_duplicates(pipeline, catalog, index, job.folder("cache")):
            if cancelled.is_set():
                return
            if isinstance(found, str):
                yield notice(found)
                continue
            photos, pairs = job.folder("photos"), found.result.pairs
            keep_only(photos, photo_files(one for pair in pairs for one in (pair.a, pair.b)))
            root = str(upload.root) if upload else None
            with job.finishing({"status": "", "root": root}) as result:
                write_found(found, result, photos)

    def session(self, job: JobFolder, wanted: Query) -> DuplicateSession:
        page, pair = wanted.get("page", ""), wanted.get("pair", "")
        return DuplicateSession(
            job,
            kind=wanted["show"] if wanted.get("show") in KINDS else "",
            only_open=wanted.get("open") == "1",
            page=int(page) - 1 if page.isdecimal() and page != "0" else 0,
            pair=int(pair) if pair.isdecimal() else -1,
        )

    def cleared(self) -> Updates:
        hidden = {self.files: gr.Files(visible=False), self.found_any: gr.Column(visible=False)}
        return hidden | {self.summary: "", self.cases: ""}

    def finished(
        self, session: DuplicateSession, shown: Mapping[str, Any], result: Path
    ) -> Updates:
        job, root = session.job, shown["root"]
        with self._opening:
            session.kept = self._shown.get(job.job_id) or KeptReview(
                read_found(result), job.path / "answers.json", Path(root) if root else None
            )
            self._shown[job.job_id] = session.kept
        any_pair = bool(session.kept.found.result.pairs)
        return self.shown(session) | {
            self.found_any: gr.Column(visible=any_pair),
            self.kind_shown: session.kind,
            self.only_open: session.only_open,
        }

    def shown(self, session: DuplicateSession) -> Updates:
        return {self.summary: summary_html(session), self.cases: cases_html(session)}

    def narrow(self, kind: str, only_open: bool, session: DuplicateSession | None) -> str:
        if session is None or session.kept is None:
            return ""
        session.kind, session.only_open, session.page, session.pair = kind, only_open, 0, -1
        return cases_html(session)

    def turn(self, event: gr.EventData, session: DuplicateSession | None) -> str:
        if session is None or session.kept is None:
            return ""
        asked = _asked(event, "page")
        session.page, session.pair = int(asked) if asked.isdecimal() else 0, -1
        return cases_html(session)

    def decide(self, event: gr.EventData, session: DuplicateSession | None) -> Any:
        if session is None or session.kept is None:
            return gr.skip()
        numbers = [int(n) for n in _asked(event, "pairs").split(",") if n.isdecimal()]
        with session.kept.changing() as review:
            review.answer(numbers, _asked(event, "answer"))
        return summary_html(session)

    def answer_rest(self, event: gr.EventData, session: DuplicateSession | None) -> Any:
        """Answer all that is open of a kind, or take the last answer back."""
        if session is None or session.kept is None:
            return gr.skip(), gr.skip()
        with session.kept.changing() as review:
            if kind := _asked(event, "kind"):
                review.answer_rest(kind, _asked(event, "answer"))
            else:
                review.undo()
        return self.shown(session)

    def make_plan(self, session: DuplicateSession | None) -> Any:
        if session is None or session.kept is None:
            gr.Warning("Find duplicates first.")
            return gr.Files(visible=False)
        with scratch_folder() as folder:
            made = write_plan(session.kept.review, folder, session.kept.root)
            return inputs.handed_out([Path(path) for path in made])

    def refused(self, error: Exception) -> str:
        """Say what a visitor can mend; an index they chose is theirs to mend."""
        chosen = isinstance(error, ListingIndexError | ConfigError)
        return str(error) if chosen else super().refused(error)

    def choices(self) -> Any:
        return gr.Dropdown(choices=index_choices(self.service.pipeline))


def summary_html(session: DuplicateSession) -> str:
    """Show what was found, how much of it is answered, and what can be accepted at once."""
    if session.kept is None:
        return ""
    review = session.kept.review
    counts = review.counts()
    return render(
        "duplicate_summary.html.j2",
        heading=session.kept.found.heading,
        note=session.kept.found.note,
        counts=counts,
        n_pairs=sum(n for _, n, _, _ in counts),
        n_answered=len(review.answers),
        undoable=review.undoable,
        copies=COPIES,
    )


def cases_html(session: DuplicateSession) -> str:
    """Show one page of cases: the one that has the pair that was asked for, or as turned to."""
    if session.kept is None:
        return ""
    review = session.kept.review
    wanted = review.filtered(session.kind, only_open=session.only_open)
    asked_for = {number: place for place, case in enumerate(wanted) for number, _ in case.pairs}
    session.page = asked_for.get(session.pair, session.page * PAGE) // PAGE
    n_pages = max(1, ceil(len(wanted) / PAGE))
    session.page = min(session.page, n_pages - 1)
    start = session.page * PAGE
    here = {"show": session.kind, "open": "1" if session.only_open else ""}
    here["page"] = str(session.page + 1) if session.page else ""
    here["pair"] = str(session.pair) if session.pair in asked_for else ""
    job_id = session.job.job_id
    return render(
        "duplicate_cases.html.j2",
        cases=wanted[start : start + PAGE],
        result=review.result,
        answers=review.answers,
        photos=session.kept.photo,
        differences=word_differences,
        copies=COPIES,
        page=session.page,
        n_pages=n_pages,
        here=urlencode(here),
        link=f"?{urlencode({'tab': 'duplicates', 'duplicates': job_id})}",
        pair=session.pair,
    )


def _asked(event: gr.EventData, name: str) -> str:
    """Read what a click brings; it comes from a browser, so anything may be in it."""
    return str((event._data or {}).get(name, ""))
