"""The tab "Batch": a table and a zip of photos in, a table of verdicts and files out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from ....pipeline.starter import starter_shop
from ....vision.thumbnails import thumbnail_uri
from ..batch_session import (
    Session,
    close,
    explained,
    listings_by_row,
    photo_source,
    progress_card,
    queue_for_review,
    required_table,
)
from ..html import notice, render, verdict_card
from ..jobs import BatchJob, Progress
from ..uploads.example_uploads import example_uploads
from ..uploads.uploads import read_upload
from ..uploads.workspace import Workspace
from ..verdict_table import (
    DECISION_NAMES,
    FLAG_NAMES,
    HEADERS,
    MAX_SHOWN,
    Filter,
    decision_choices,
    flag_choices,
    table_rows,
    write_downloads,
)
from .check import similar_listings

if TYPE_CHECKING:
    from ...review.store import ReviewStore
    from ...service import Service

TABLE_TYPES = [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"]
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


def batch_tab(service: "Service", reviews: "ReviewStore", *, local: bool) -> None:
    """Build the tab inside the open `gr.Tab`.

    Parameters
    ----------
    local
        Show the field for a folder of this machine.
    """
    state = gr.State(None, delete_callback=close)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            table = gr.File(
                label="Listings: CSV, TSV, JSON Lines or Parquet",
                file_types=TABLE_TYPES,
                height=130,
                elem_id="batch-table",
            )
            archive = gr.File(
                label="Photos: one zip (may stay empty)",
                file_types=[".zip"],
                height=130,
                elem_id="batch-zip",
            )
            folder = gr.Textbox(
                label="Or the folder of the photos on this machine",
                visible=local,
                elem_id="batch-folder",
            )
            duplicates = gr.Checkbox(
                True, label="Look for duplicates (takes twice as long)", elem_id="batch-duplicates"
            )
            queueing = gr.Checkbox(
                True, label="Put what needs a look into the review queue", elem_id="batch-queue"
            )
            with gr.Row():
                start = gr.Button("Judge all", variant="primary", elem_id="batch-start")
                stop = gr.Button("Cancel", interactive=False, elem_id="batch-cancel")
            example = gr.Button("Fill in an example", size="sm", elem_id="batch-example")
        with gr.Column(scale=7, min_width=300):
            status = gr.HTML(_START, elem_id="batch-status", apply_default_css=False)
            files = gr.Files(
                label="Downloads", interactive=False, visible=False, elem_id="batch-files"
            )
    with gr.Column(visible=False, elem_id="batch-results") as results:
        decisions = gr.CheckboxGroup(
            [(name, key) for key, name in DECISION_NAMES.items()],
            label="Show these decisions (none ticked: all)",
            elem_id="batch-decisions",
        )
        with gr.Row():
            category = gr.Textbox(
                label="Show categories with this text",
                max_length=200,
                min_width=300,
                elem_id="batch-category",
            )
            flagged = gr.CheckboxGroup(
                [(name, key) for key, name in FLAG_NAMES.items()],
                label="Show these flags (none ticked: all)",
                min_width=300,
                elem_id="batch-flags",
            )
        verdicts = gr.Dataframe(
            headers=list(HEADERS),
            datatype=["number"] + ["str"] * (len(HEADERS) - 1),
            column_widths=["56px", "90px", "196px", "184px", "116px", "200px", "130px", "420px"],
            label="Verdicts: select a row to see its photo and reasons",
            interactive=False,
            elem_id="batch-verdicts",
        )
        chosen = gr.HTML("", elem_id="batch-chosen", apply_default_css=False)
    filters = [decisions, category, flagged]

    def run(
        table: str | None,
        archive: str | None,
        folder: str,
        duplicates: bool,
        queueing: bool,
        decisions: list[str],
        category: str | None,  # None while its field has never been shown
        flagged: list[str],
        old: Session | None,
    ) -> Iterator[dict[Any, Any]]:
        close(old)
        cleared = {state: None, files: gr.Files(visible=False), verdicts: [], chosen: ""}
        place = Workspace()
        try:
            photos = photo_source(archive, folder, local=local)
            upload = read_upload(required_table(table), photos, place.folder("photos"))
            job = BatchJob(service, upload, duplicates=duplicates)
        except Exception as error:  # noqa: BLE001 (the log gets what the visitor can't mend)
            place.close()
            yield cleared | {status: notice(explained(error), kind="error")}
            return
        session = Session(place, job, Filter(decisions, category or "", flagged))
        begun = {
            state: session,
            stop: gr.Button(interactive=True),
            results: gr.Column(visible=True),
        }
        yield cleared | begun
        failure = trouble = ""
        try:
            for progress in job.run():
                if queueing:
                    trouble = queue_for_review(reviews, progress.fresh) or trouble
                yield {status: progress_card(job, progress, trouble=trouble), **shown(session)}
        except Exception as error:  # noqa: BLE001 (what is judged is kept; the log gets the rest)
            failure = explained(error)
        done = Progress(len(job.rows), job.upload.catalog.n_rows, 0, 0)
        yield {
            status: progress_card(job, done, ended=True, failure=failure, trouble=trouble),
            files: gr.Files(write_downloads(job, place.folder("downloads")), visible=True),
            **shown(session),
        }

    def shown(session: Session) -> dict[Any, Any]:
        rows = session.job.rows
        cells, n_passing = table_rows(rows, listings_by_row(session.job), session.keep)
        label = f"Verdicts: {n_passing:,} rows; select one to see its photo and reasons"
        if n_passing > MAX_SHOWN:
            label += f" (the first {MAX_SHOWN:,} are shown; the downloads hold all)"
        return {
            verdicts: gr.Dataframe(cells, label=label),
            decisions: gr.CheckboxGroup(choices=decision_choices(rows)),
            flagged: gr.CheckboxGroup(choices=flag_choices(rows)),
        }

    def narrow(
        decisions: list[str], category: str, flagged: list[str], session: Session | None
    ) -> Any:
        if session is None:
            return gr.skip()
        session.keep = Filter(decisions, category, flagged)
        return shown(session)[verdicts]

    def show(session: Session | None, event: gr.SelectData) -> str:
        return "" if session is None else row_card(service, session.job, int(event.row_value[0]))

    def cancel(session: Session | None) -> Any:
        if session is not None:
            session.job.cancel()
        return gr.Button(interactive=False)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    running = start.click(
        run,
        [table, archive, folder, duplicates, queueing, *filters, state],
        [state, status, files, results, verdicts, chosen, decisions, flagged, stop],
        concurrency_limit=N_AT_ONCE,
        show_progress_on=status,
        api_visibility="private",
    )
    # also after an unexpected error, so in a step of its own
    running.then(lambda: gr.Button(interactive=False), None, stop, **quiet)
    stop.click(cancel, state, stop, **quiet)
    gr.on(
        [decisions.input, category.change, flagged.input],
        narrow,
        [*filters, state],
        verdicts,
        trigger_mode="always_last",
        **quiet,
    )
    verdicts.select(show, state, chosen, **quiet)
    example.click(_example(service), None, [table, archive, status], api_visibility="private")


def row_card(service: "Service", job: BatchJob, row: int) -> str:
    """Show a row's photo, title and verdict; nothing for a row that isn't there."""
    verdict = dict(job.rows).get(row)
    if verdict is None:
        return ""
    listing = listings_by_row(job).get(row)
    photo = render(
        "listing.html.j2",
        listing_id=verdict.listing_id,
        row=row,
        title=(listing and listing.title) or "",
        photo=thumbnail_uri(listing.image, side_px=480) if listing else None,
    )
    return photo + verdict_card(verdict) + similar_listings(service.pipeline, verdict)


def _example(service: "Service") -> Any:
    """Make what fills in the example; it is put together at the first click, and kept."""
    place = Workspace()

    def fill() -> list[str]:
        names, levels = service.pipeline.class_names, service.pipeline.config.levels
        shop = starter_shop()
        table, archive = example_uploads(shop, place.path, names, levels)
        return [str(table), str(archive), _DRAWN]

    return fill
