"""The tab "Batch": a table and a zip of photos in, a table of verdicts and files out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from ....catalog.listing import Listing
from ...review.store import ReviewStore
from ...service import Service
from .. import inputs
from .. import verdict_table as table
from ..batch_job import BatchJob, Progress, queue_for_review
from ..examples import example_filler, example_uploads
from ..html import banner, notice, script
from ..uploads.archives import keep_only
from ..uploads.uploads import Workspace, read_upload

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
class BatchSession:
    """What one visitor's tab holds: an upload's folder, the job on it, and what is shown of it."""

    place: Workspace
    job: BatchJob
    keep: table.Filter
    page: int = 0
    photos: table.RowPhotos = field(default_factory=table.RowPhotos)


def close(session: BatchSession | None) -> None:
    """End a visitor's session, if there is one: stop the job and remove the photos."""
    if session is not None:
        session.job.cancel()
        session.place.close()


def shown_row(session: BatchSession | None, asked: Mapping[str, Any]) -> Listing | None:
    """Give the listing of the row that a button says; it comes from a browser, so may be odd."""
    row = str(asked.get("row", ""))
    return session.job.listings.get(int(row)) if session and row.isdecimal() else None


class BatchTab:
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    def __init__(self, service: Service, reviews: ReviewStore, *, local: bool) -> None:
        self.service, self.reviews, self.local = service, reviews, local
        self.state = gr.State(None, delete_callback=close)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
            with gr.Column(scale=7, min_width=300):
                self.status = inputs.html_field("batch-status", _START)
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
        self.chosen = inputs.html_field("batch-chosen", js_on_load=script("more_like"))

    def _connect(self) -> None:
        filters = [self.decisions, self.category, self.flagged]
        results = [self.results, self.verdicts, self.page, self.chosen]
        results += [self.decisions, self.flagged]
        running = self.start.click(
            self.run,
            [*self.uploads, self.duplicates, self.queueing, *filters, self.state],
            [self.state, self.status, self.drift, self.files, *results, self.stop],
            concurrency_limit=N_AT_ONCE,
            show_progress_on=self.status,
            **inputs.PRIVATE,
        )
        # also after an unexpected error, so in a step of its own
        running.then(inputs.disabled, None, self.stop, **inputs.QUIET)
        self.stop.click(self.cancel, self.state, self.stop, **inputs.QUIET)
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

    def run(
        self,
        uploaded: str | None,
        archive: str | None,
        folder: str,
        duplicates: bool,
        queueing: bool,
        *rest: Any,
    ) -> Iterator[dict[Any, Any]]:
        """Judge what was uploaded, telling how far it is; what was judged before an error stays."""
        *wanted, old = rest
        close(old)
        cleared = {self.state: None, self.files: gr.Files(visible=False)}
        cleared |= {self.verdicts: [], self.chosen: "", self.drift: ""}
        place = Workspace()
        try:
            photos = inputs.photo_source(archive, folder, local=self.local)
            upload = read_upload(inputs.required_table(uploaded), photos, place.folder("photos"))
            job = BatchJob(self.service, upload, duplicates=duplicates)
        except Exception as error:  # noqa: BLE001 (the log gets what the visitor can't mend)
            place.close()
            yield cleared | {self.status: notice(inputs.explained(error), kind="error")}
            return
        session = BatchSession(place, job, table.Filter(*wanted))
        begun = {self.state: session, self.stop: gr.Button(interactive=True)}
        yield cleared | begun | {self.results: gr.Column(visible=True)}
        failure = ""
        try:
            for far in job.run():
                yield self.shown(session, table.progress_html(job, far))
        except Exception as error:  # noqa: BLE001 (what is judged is kept; the log gets the rest)
            failure = inputs.explained(error)
        finally:  # not before, because a drift changes verdicts; also if the visitor has gone
            trouble = queue_for_review(self.reviews, job.judged) if queueing else ""
        done = Progress(len(job.rows), job.upload.catalog.n_rows, 0, 0)
        status = table.progress_html(job, done, ended=True, failure=failure, trouble=trouble)
        files = table.write_downloads(job, place.folder("downloads"))
        keep_only(place.folder("photos"), job.usable_photos())
        yield self.shown(session, status, ended=True) | {self.files: gr.Files(files, visible=True)}

    def shown(self, session: BatchSession, status: str, *, ended: bool = False) -> dict[Any, Any]:
        """Show the verdicts that pass the filters, and how many there are of each kind.

        Their photos follow at the end, since the whole table is sent each time.
        """
        rows = session.job.rows
        return {
            self.status: status,
            self.drift: banner(session.job.warnings),
            self.verdicts: _verdicts(session, photos=ended),
            self.page: _pages(session),
            self.decisions: gr.CheckboxGroup(choices=table.decision_choices(rows)),
            self.flagged: gr.CheckboxGroup(choices=table.flag_choices(rows)),
        }

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
        row = int(event.row_value[0])
        return "" if session is None else table.row_html(self.service.pipeline, session.job, row)

    def cancel(self, session: BatchSession | None) -> Any:
        if session is not None:
            session.job.cancel()
        return inputs.disabled()


def _choices(name: str, words: Mapping[str, str], **options: Any) -> Any:
    choices = [(word, key) for key, word in words.items()]
    label = f"Show these {name} (none ticked: all)"
    return gr.CheckboxGroup(choices, label=label, elem_id=f"batch-{name}", **options)


def _verdicts(session: BatchSession, *, photos: bool = True) -> Any:
    job = session.job
    cells, n_passing = table.table_rows(
        job.rows,
        job.listings,
        session.keep,
        page=session.page,
        photos=session.photos if photos else None,
    )
    return gr.Dataframe(cells, label=table.table_label(n_passing, session.page))


def _n_passing(session: BatchSession) -> int:
    return sum(session.keep.keeps(verdict) for _, verdict in session.job.rows)


def _pages(session: BatchSession) -> Any:
    """Ask for a page's number where there are several."""
    n = table.n_pages(_n_passing(session))
    return gr.Number(session.page + 1, maximum=n, label=f"Page of {n:,}", visible=n > 1)
