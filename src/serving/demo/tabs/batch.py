"""The tab "Batch": a table and a zip of photos in, a table of verdicts and files out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from ....catalog.listing import Listing
from ...review.store import ReviewStore
from ...service import Service, ServiceClosedError
from .. import inputs
from .. import verdict_table as table
from ..batch_job import BatchJob, Progress, queue_for_review
from ..batch_result import BatchResult, downloads, read_batch, write_batch
from ..examples import example_filler, example_uploads
from ..html import banner, notice, script
from ..jobs.folder import JobFolder
from ..jobs.running import Jobs, RunningJob
from ..uploads.archives import keep_only
from .job_tab import ADDRESS, Given, JobSession, JobTab, Query, Updates, read_given

N_AT_ONCE = 4
"""Batches that may run at once; the service lets each have its turn."""
_START = notice(
    "Add a table of listings and a zip of their photos, and press “Judge all”; or try the example.",
    heading="The verdicts appear here",
)
_DRAWN = notice(
    "These listings are drawn. A few are nothing that is sold here, and two rows are broken on "
    "purpose. Press “Judge all”.",
    heading="The example is filled in",
)


@dataclass
class BatchSession(JobSession):
    """What one visitor's page shows of a batch."""

    judged: BatchJob | BatchResult = field(default_factory=BatchResult)
    keep: table.Filter = field(default_factory=table.Filter)
    page: int = 0
    row: str = ""
    photos: table.RowPhotos = field(default_factory=table.RowPhotos)


def shown_row(session: BatchSession | None, asked: Mapping[str, Any]) -> Listing | None:
    """Give the listing of the row that a button says; it comes from a browser, so may be odd."""
    row = str(asked.get("row", ""))
    return session.judged.listings.get(int(row)) if session and row.isdecimal() else None


class BatchTab(JobTab):
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    kind, views, n_at_once = "batch", ("row",), N_AT_ONCE

    def __init__(self, service: Service, reviews: ReviewStore, jobs: Jobs, *, local: bool) -> None:
        super().__init__(jobs)
        self.service, self.reviews, self.local = service, reviews, local
        self.state = gr.State(None)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
            with gr.Column(scale=7, min_width=300):
                self.status = inputs.html_field("batch-status", _START, js_on_load=ADDRESS)
                self.files = inputs.files_field("batch", "Downloads")
        self.drift = inputs.html_field("batch-shift")
        with gr.Column(visible=False, elem_id="batch-results") as self.results:
            self._build_results()
        self._connect()

    def _build_inputs(self) -> None:
        self.uploads = inputs.upload_fields("batch", table="Listings", local=self.local)
        self.duplicates = gr.Checkbox(
            True, label="Look for duplicates (takes twice as long)", elem_id="batch-duplicates"
        )
        self.queueing = gr.Checkbox(
            True, label="Put what needs a look into the review queue", elem_id="batch-queue"
        )
        self.start, self.stop = inputs.start_buttons("batch", "Judge all")
        self.example = gr.Button("Fill in an example", size="sm", elem_id="batch-example")

    def _build_results(self) -> None:
        self.decisions = _choices("decisions", table.DECISION_NAMES)
        with gr.Row():
            self.category = gr.Textbox(
                label="Show categories with this text",
                max_length=200,
                min_width=300,
                elem_id="batch-category",
            )
            self.flagged = _choices("flags", table.FLAG_NAMES, min_width=300)
        self.verdicts = gr.Dataframe(
            headers=list(table.HEADERS),
            datatype=table.DATATYPES,
            column_widths=list(table.WIDTHS),
            label="Verdicts: select a row to see its photo and reasons",
            interactive=False,
            elem_id="batch-verdicts",
        )
        self.page = gr.Number(
            1, label="Page", minimum=1, precision=0, visible=False, elem_id="batch-page"
        )
        self.chosen = inputs.html_field("batch-chosen", js_on_load=script("more_like", "address"))

    def _connect(self) -> None:
        filters = [self.decisions, self.category, self.flagged]
        results = [self.results, self.verdicts, self.page, self.chosen]
        results += [*filters, self.drift, self.files]
        self.connect([*self.uploads, self.duplicates, self.queueing], results)
        gr.on(
            [self.decisions.input, self.category.change, self.flagged.input],
            self.narrow,
            [*filters, self.state],
            [self.verdicts, self.page],
            trigger_mode="always_last",
            **inputs.QUIET,
        )
        turned = [self.page.input, self.page.submit]
        gr.on(turned, self.turn, [self.page, self.state], self.verdicts, **inputs.QUIET)
        self.verdicts.select(self.show, self.state, self.chosen, **inputs.QUIET)
        fill = example_filler(self.service, example_uploads, _DRAWN)
        filled = [self.uploads.table, self.uploads.archive, self.status]
        self.example.click(fill, None, filled, **inputs.PRIVATE)

    def begin(
        self,
        uploaded: str | None,
        archive: str | None,
        folder: str,
        duplicates: bool,
        queueing: bool,
    ) -> RunningJob:
        """Begin to judge what was uploaded."""
        given = Given({"duplicates": duplicates, "queueing": queueing})
        given.files["table"] = inputs.required_table(uploaded)
        given.add_photos("photos", archive, folder, local=self.local)
        return self.jobs.begin(self.kind, given.asked, given.files)

    def work(self, job: JobFolder, cancelled: Event) -> Iterator[tuple[BatchJob, str]]:
        """Judge, telling how far it is; what was judged before an error stays."""
        asked = job.asked
        upload = read_given(job)
        batch = BatchJob(
            self.service,
            upload,
            duplicates=asked["duplicates"],
            keep=job.path / "verdicts",
            cancelled=cancelled,
        )
        failure = ""
        try:
            for far in batch.run():
                yield batch, table.progress_html(batch, far)
        except ServiceClosedError:
            raise
        except Exception as error:  # noqa: BLE001 (what is judged is kept; the log gets the rest)
            failure = inputs.explained(error)
        # not before, because a drift changes verdicts
        trouble = queue_for_review(self.reviews, batch.judged) if asked["queueing"] else ""
        done = Progress(len(batch.rows), upload.catalog.n_rows, 0, 0)
        status = table.progress_html(batch, done, ended=True, failure=failure, trouble=trouble)
        with job.finishing({"status": status, "warnings": batch.warnings}) as result:
            keep_only(job.folder("photos"), batch.usable_photos())
            write_batch(batch, result, job.folder("photos"))

    def session(self, job: JobFolder, wanted: Query) -> BatchSession:
        return BatchSession(job, row=wanted.get("row", ""))

    def cleared(self) -> Updates:
        nothing: Updates = {self.verdicts: [], self.chosen: "", self.drift: "", self.category: ""}
        nothing |= {
            self.decisions: gr.CheckboxGroup(choices=_named(table.DECISION_NAMES), value=[])
        }
        nothing |= {self.flagged: gr.CheckboxGroup(choices=_named(table.FLAG_NAMES), value=[])}
        return nothing | {
            self.files: gr.Files(visible=False),
            self.results: gr.Column(visible=True),
        }

    def meanwhile(self, session: BatchSession, said: tuple[BatchJob, str]) -> Updates:
        session.judged, status = said
        return self.shown(session, photos=False) | {
            self.status: status,
            self.drift: banner(session.judged.warnings),
        }

    def finished(self, session: BatchSession, shown: Mapping[str, Any], result: Path) -> Updates:
        session.judged = read_batch(result)
        row = int(session.row) if session.row.isdecimal() else 0
        return self.shown(session) | {
            self.results: gr.Column(visible=True),
            self.drift: banner(shown["warnings"]),
            self.files: inputs.handed_out(downloads(result)),
            self.chosen: self.row_html(session, row),
        }

    def shown(self, session: BatchSession, *, photos: bool = True) -> Updates:
        """Show the verdicts that pass the filters, and how many there are of each kind.

        Their photos follow at the end, since the whole table is sent each time.
        """
        rows = session.judged.rows
        return {
            self.verdicts: _verdicts(session, photos=photos),
            self.page: _pages(session),
            self.decisions: gr.CheckboxGroup(choices=table.decision_choices(rows)),
            self.flagged: gr.CheckboxGroup(choices=table.flag_choices(rows)),
        }

    def row_html(self, session: BatchSession, row: int) -> str:
        job_id = session.job.job_id
        link = f"?tab={self.kind}&{self.kind}={job_id}&row={row}"
        return table.row_html(self.service.pipeline, session.judged, row, link=link)

    def narrow(
        self, decisions: list[str], category: str, flagged: list[str], session: BatchSession | None
    ) -> Any:
        if session is None:
            return gr.skip(), gr.skip()
        session.keep, session.page = table.Filter(decisions, category, flagged), 0
        return _verdicts(session), _pages(session)

    def turn(self, page: float | None, session: BatchSession | None) -> Any:
        if session is None or page is None:
            return gr.skip()
        session.page = max(0, min(int(page), table.n_pages(_n_passing(session))) - 1)
        return _verdicts(session)

    def show(self, session: BatchSession | None, event: gr.SelectData) -> str:
        return "" if session is None else self.row_html(session, int(event.row_value[0]))


def _choices(name: str, words: Mapping[str, str], **options: Any) -> Any:
    label = f"Show these {name} (none ticked: all)"
    return gr.CheckboxGroup(_named(words), label=label, elem_id=f"batch-{name}", **options)


def _named(words: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(word, key) for key, word in words.items()]


def _verdicts(session: BatchSession, *, photos: bool = True) -> Any:
    cells, n_passing = table.table_rows(
        session.judged.rows,
        session.judged.listings,
        session.keep,
        page=session.page,
        photos=session.photos if photos else None,
    )
    return gr.Dataframe(cells, label=table.table_label(n_passing, session.page))


def _n_passing(session: BatchSession) -> int:
    return sum(session.keep.keeps(verdict) for _, verdict in session.judged.rows)


def _pages(session: BatchSession) -> Any:
    """Ask for a page's number where there are several."""
    n = table.n_pages(_n_passing(session))
    return gr.Number(session.page + 1, maximum=n, label=f"Page of {n:,}", visible=n > 1)
