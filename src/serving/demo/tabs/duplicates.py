"""The tab "Duplicates": groups side by side, an answer to each, a plan of what to merge."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.context import Context

from ....catalog.listing import Listing
from ....core.errors import ConfigError, ListingIndexError, ShelfsureError
from ....retrieval.duplicates.page import word_differences
from ....vision.thumbnails import thumbnail_uri
from ..batch_session import explained, photo_source
from ..duplicate_review import KINDS, DuplicateReview, write_plan
from ..duplicate_search import NONE, Found, chosen_index, index_choices, search_duplicates
from ..html import COPIES, notice, render
from ..uploads.uploads import read_upload
from ..uploads.workspace import Workspace
from .batch import TABLE_TYPES

if TYPE_CHECKING:
    from ...service import Service

PAGE = 10
STOPPED = notice("Stopped before the end: there is no result.")
_START = notice(
    "Add a catalogue to look through, choose an index, or both: then the catalogue's listings are "
    "compared with the index. To try it out, choose “The model's own catalogue” as the index.",
    heading="What is listed twice appears here",
)
_SUMMARY_CLICKS = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-kind]');
  if (button) trigger('click', {kind: button.dataset.kind});
});
"""
# The page marks an answer by itself, so that a click neither moves the page nor loses the focus.
_CASE_CLICKS = """
let turned = false;
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (button?.dataset.page) { turned = true; trigger('submit', {page: button.dataset.page}); }
  if (!button?.dataset.pairs) return;
  const again = button.getAttribute('aria-pressed') === 'true';
  const answer = again ? '' : button.dataset.answer;
  for (const pair of button.dataset.pairs.split(','))
    for (const one of element.querySelectorAll(`button[data-pairs="${pair}"][aria-pressed]`))
      one.setAttribute('aria-pressed', String(one.dataset.answer === answer));
  trigger('click', {pairs: button.dataset.pairs, answer});
});
watch('value', () => { if (turned) element.scrollIntoView(); turned = false; });
"""


@dataclass
class Session:
    """What one visitor's page shows."""

    place: Workspace
    review: DuplicateReview
    heading: str
    note: str = ""
    root: Path | None = None
    kind: str = ""
    only_open: bool = False
    page: int = 0
    photos: dict[int, str | None] = field(default_factory=dict)

    def photo(self, listing: Listing) -> str | None:
        if id(listing) not in self.photos:
            self.photos[id(listing)] = thumbnail_uri(listing.image)
        return self.photos[id(listing)]


def duplicates_tab(service: "Service", *, local: bool) -> None:
    """Build the tab inside the open `gr.Tab`.

    Parameters
    ----------
    local
        Show the fields for folders of this machine.
    """
    tab, root = Context.block, Context.root_block
    state = gr.State(None, delete_callback=lambda session: session and session.place.close())
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            table = gr.File(
                label="Catalogue: CSV, TSV, JSON Lines or Parquet",
                file_types=TABLE_TYPES,
                height=130,
                elem_id="duplicates-table",
            )
            archive = gr.File(
                label="Its photos: one zip",
                file_types=[".zip"],
                height=130,
                elem_id="duplicates-zip",
            )
            photos = gr.Textbox(
                label="Or the folder of the photos on this machine",
                visible=local,
                elem_id="duplicates-folder",
            )
            choice = gr.Dropdown(
                [("None", NONE)], value=NONE, label="Index", elem_id="duplicates-index"
            )
            typed = gr.Textbox(
                label="Or the folder of an index on this machine",
                visible=local,
                elem_id="duplicates-index-folder",
            )
            with gr.Row():
                start = gr.Button("Find duplicates", variant="primary", elem_id="duplicates-start")
                stop = gr.Button("Cancel", interactive=False, elem_id="duplicates-cancel")
        with gr.Column(scale=7, min_width=300):
            summary = gr.HTML(
                _START,
                js_on_load=_SUMMARY_CLICKS,
                elem_id="duplicates-summary",
                apply_default_css=False,
            )
            with gr.Column(visible=False, elem_id="duplicates-found") as found_any:
                with gr.Row():
                    kind = gr.Dropdown(
                        [("All kinds", ""), *((COPIES[name].name, name) for name in KINDS)],
                        value="",
                        label="Show",
                        elem_id="duplicates-kind",
                    )
                    only_open = gr.Checkbox(
                        label="Only what has no answer yet", elem_id="duplicates-open"
                    )
                plan = gr.Button("Make the merge plan", elem_id="duplicates-plan")
            files = gr.Files(
                label="Merge plan", interactive=False, visible=False, elem_id="duplicates-files"
            )
    cases = gr.HTML(
        "", js_on_load=_CASE_CLICKS, elem_id="duplicates-cases", apply_default_css=False
    )

    def run(
        table: str | None,
        archive: str | None,
        photos: str,
        choice: str,
        typed: str,
        old: Session | None,
    ) -> Iterator[dict[Any, Any]]:
        if old is not None:
            old.place.close()
        place = Workspace()
        cleared = {state: None, cases: "", files: gr.Files(visible=False)}
        cleared |= {found_any: gr.Column(visible=False), stop: gr.Button(interactive=True)}
        yield cleared | {summary: notice("Reading …")}
        try:
            index = chosen_index(service.pipeline, choice, typed, local=local)
            source = photo_source(archive, photos, local=local)
            upload = read_upload(Path(table), source, place.folder("photos")) if table else None
            catalog = upload.catalog if upload else None
            for found in search_duplicates(service.pipeline, catalog, index, place.folder("cache")):
                if isinstance(found, Found):
                    session = Session(place, DuplicateReview(found.result), *told(found))
                    session.root = upload.root if upload else None
                    yield {
                        state: session,
                        summary: summary_html(session),
                        cases: cases_html(session),
                        found_any: gr.Column(visible=bool(found.result.pairs)),
                    }
                else:
                    yield {summary: notice(found)}
        except ShelfsureError as error:
            place.close()
            yield {summary: notice(refused(error), kind="error")}

    def narrow(kind: str, only_open: bool, session: Session | None) -> str:
        if session is None:
            return ""
        session.kind, session.only_open, session.page = kind, only_open, 0
        return cases_html(session)

    def turn(event: gr.EventData, session: Session | None) -> str:
        if session is None:
            return ""
        asked = str((event._data or {}).get("page", ""))
        session.page = int(asked) if asked.isdecimal() else 0
        return cases_html(session)

    def decide(event: gr.EventData, session: Session | None) -> Any:
        if session is None:
            return gr.skip()
        asked = event._data or {}
        numbers = [int(n) for n in str(asked.get("pairs", "")).split(",") if n.isdecimal()]
        session.review.answer(numbers, str(asked.get("answer", "")))
        return summary_html(session)

    def accept_all(event: gr.EventData, session: Session | None) -> Any:
        if session is None:
            return gr.skip(), gr.skip()
        session.review.accept_all(str((event._data or {}).get("kind", "")))
        return summary_html(session), cases_html(session)

    def make_plan(session: Session | None) -> Any:
        if session is None:
            gr.Warning("Find duplicates first.")
            return gr.Files(visible=False)
        made = write_plan(session.review, session.place.folder("plan"), session.root)
        return gr.Files(made, visible=True)

    def choices() -> Any:
        return gr.Dropdown(choices=index_choices(service.pipeline))

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    running = start.click(
        run,
        [table, archive, photos, choice, typed, state],
        [state, summary, cases, files, found_any, stop],
        concurrency_limit=1,
        show_progress_on=summary,
        api_visibility="private",
    )
    running.then(lambda: gr.Button(interactive=False), None, stop, **quiet)
    stop.click(
        lambda: (STOPPED, gr.Button(interactive=False)),
        None,
        [summary, stop],
        cancels=[running],
        **quiet,
    )
    gr.on([root.load, tab.select], choices, None, choice, **quiet)
    gr.on([kind.input, only_open.input], narrow, [kind, only_open, state], cases, **quiet)
    # a click while an earlier one is under way counts, too
    cases.click(decide, state, summary, trigger_mode="multiple", **quiet)
    cases.submit(turn, state, cases, **quiet)
    summary.click(accept_all, state, [summary, cases], **quiet)
    plan.click(make_plan, state, files, api_visibility="private")


def refused(error: ShelfsureError) -> str:
    """Say what a visitor can mend; an index they chose is theirs to mend."""
    return str(error) if isinstance(error, ListingIndexError | ConfigError) else explained(error)


def told(found: Found) -> tuple[str, str]:
    """Say what was looked through: a heading, and a note on rows that were set aside."""
    n_pairs, n_groups = len(found.result.pairs), len(found.result.groups)
    where = f"{found.result.n_listings:,} listings"
    where += f" against {found.n_against:,}" if found.n_against else ""
    heading = f"{n_pairs:,} pairs and {n_groups:,} groups in {where}"
    return heading, found.catalog.summary() if found.catalog and found.catalog.rejected else ""


def summary_html(session: Session) -> str:
    """Show what was found, how much of it is answered, and what can be accepted at once."""
    counts = session.review.counts()
    return render(
        "duplicate_summary.html.j2",
        heading=session.heading,
        note=session.note,
        counts=counts,
        n_pairs=sum(n for _, n, _, _ in counts),
        n_answered=len(session.review.answers),
        copies=COPIES,
    )


def cases_html(session: Session) -> str:
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
