"""The tab "Evaluate": a labelled table in, fusion against each kind of evidence alone out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from ....pipeline.starter import starter_shop
from ..batch_session import explained, photo_source, required_table
from ..evaluation_job import (
    CHARTS,
    HEADERS,
    Evaluated,
    charts,
    check_labels,
    comparison_rows,
    evaluate_in_parts,
    write_results,
)
from ..html import notice, render
from ..uploads.example_uploads import example_labelled
from ..uploads.uploads import read_outside, read_upload
from ..uploads.workspace import Workspace
from .batch import TABLE_TYPES
from .duplicates import STOPPED

if TYPE_CHECKING:
    from ...service import Service

_START = notice(
    "Add a table of listings with their true categories and a zip of their photos, and press "
    "“Evaluate”; or try the example.",
    heading="The comparison appears here",
)
_DRAWN = notice(
    "These listings are drawn. A model that was trained on real photos does worse on drawings than "
    "on photos, and its neighbours may carry other labels: bring your own for true numbers.",
    heading="The example is filled in",
)


def evaluate_tab(service: "Service", *, local: bool) -> None:
    """Build the tab inside the open `gr.Tab`.

    Parameters
    ----------
    local
        Show the fields for folders of this machine.
    """
    state = gr.State(None, delete_callback=lambda place: place and place.close())
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            table = gr.File(
                label="Labelled listings: CSV, TSV, JSON Lines or Parquet",
                file_types=TABLE_TYPES,
                height=130,
                elem_id="evaluate-table",
            )
            archive = gr.File(
                label="Photos: one zip (may stay empty)",
                file_types=[".zip"],
                height=130,
                elem_id="evaluate-zip",
            )
            folder = gr.Textbox(
                label="Or the folder of the photos on this machine",
                visible=local,
                elem_id="evaluate-folder",
            )
            with gr.Accordion("Photos of what you don't sell", open=False):
                outside = gr.File(
                    label="A zip of such photos: measures the out-of-catalogue detector",
                    file_types=[".zip"],
                    height=130,
                    elem_id="evaluate-outside",
                )
                outside_folder = gr.Textbox(
                    label="Or their folder on this machine",
                    visible=local,
                    elem_id="evaluate-outside-folder",
                )
            with gr.Row():
                start = gr.Button("Evaluate", variant="primary", elem_id="evaluate-start")
                stop = gr.Button("Cancel", interactive=False, elem_id="evaluate-cancel")
            example = gr.Button("Fill in an example", size="sm", elem_id="evaluate-example")
        with gr.Column(scale=7, min_width=300):
            status = gr.HTML(_START, elem_id="evaluate-status", apply_default_css=False)
            files = gr.Files(
                label="Report", interactive=False, visible=False, elem_id="evaluate-files"
            )
    comparison = gr.Dataframe(
        headers=list(HEADERS),
        datatype="str",
        label="Fusion against each kind of evidence alone",
        interactive=False,
        visible=False,
        elem_id="evaluate-comparison",
    )
    with gr.Row(equal_height=False):
        plots = {
            name: gr.Plot(
                label=label,
                show_label=False,
                visible=False,
                min_width=320,
                elem_id=f"evaluate-{name}",
                buttons=[],
            )
            for name, label in CHARTS.items()
        }
    results = [files, comparison, *plots.values()]

    def run(
        table: str | None,
        archive: str | None,
        folder: str,
        outside: str | None,
        outside_folder: str,
        old: Workspace | None,
    ) -> Iterator[dict[Any, Any]]:
        if old is not None:
            old.close()
        place = Workspace()
        hidden = {part: type(part)(visible=False) for part in results}
        begun = {state: place, status: progress_card(0, 0), stop: gr.Button(interactive=True)}
        yield hidden | begun
        try:
            for found in measure(table, archive, folder, outside, outside_folder, place):
                yield {status: found} if isinstance(found, str) else shown(*found)
        except Exception as error:  # noqa: BLE001 (the log gets what the visitor can't mend)
            place.close()
            yield {state: None, status: notice(explained(error), kind="error")}

    def measure(
        table: str | None,
        archive: str | None,
        folder: str,
        outside: str | None,
        outside_folder: str,
        place: Workspace,
    ) -> Iterator[str | tuple[Evaluated, str, list[str]]]:
        pipeline = service.pipeline
        labelled = required_table(table)
        photos = photo_source(archive, folder, local=local)
        upload = read_upload(labelled, photos, place.folder("photos"), need_category=True)
        note = check_labels(upload.catalog, pipeline.class_names, pipeline.config.levels)
        strangers = photo_source(outside, outside_folder, local=local)
        others = read_outside(strangers, place.folder("outside")) if strangers else []
        total = len(upload.catalog.listings) + len(others)
        spare = place.folder("cache")
        for found in evaluate_in_parts(pipeline, upload.catalog, others, spare):
            if isinstance(found, int):
                yield progress_card(found, total)
            else:
                out = place.folder("out")
                about = {"version": pipeline.version, "listings": labelled.name}
                heading = upload.without_root(f"Done. {found.catalog.summary()}.")
                card = render(
                    "headlines.html.j2", heading=heading, lines=found.headlines(), note=note
                )
                yield found, card, write_results(found, out, **about)

    def shown(result: Evaluated, card: str, paths: list[str]) -> dict[Any, Any]:
        import plotly.graph_objects as go

        drawn = {
            plots[name]: gr.Plot(go.Figure(figure) if figure else None, visible=bool(figure))
            for name, figure in charts(result).items()
        }
        return drawn | {
            status: card,
            files: gr.Files(paths, visible=True),
            comparison: gr.Dataframe(comparison_rows(result.metrics), visible=True),
        }

    running = start.click(
        run,
        [table, archive, folder, outside, outside_folder, state],
        [state, status, stop, *results],
        concurrency_limit=1,
        show_progress_on=status,
        api_visibility="private",
    )
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    running.then(lambda: gr.Button(interactive=False), None, stop, **quiet)
    stop.click(
        lambda: (STOPPED, gr.Button(interactive=False)),
        None,
        [status, stop],
        cancels=[running],
        **quiet,
    )
    example.click(
        _example(service), None, [table, archive, outside, status], api_visibility="private"
    )


def progress_card(n_done: int, n_rows: int) -> str:
    """Say how far the embedding is."""
    heading = f"{n_done:,} of {n_rows:,} listings and photos" if n_rows else "Reading the upload"
    detail = "read; then everything is compared." if n_done == n_rows and n_rows else "…"
    return render(
        "progress.html.j2",
        heading=heading,
        detail=detail,
        note="",
        n_done=n_done,
        n_rows=max(1, n_rows),
        counts=[],
        words={},
    )


def _example(service: "Service") -> Any:
    """Make what fills in the example; it is put together at the first click, and kept."""
    place = Workspace()

    def fill() -> list[str]:
        pipeline = service.pipeline
        shop = starter_shop()
        names, levels = pipeline.class_names, pipeline.config.levels
        paths = example_labelled(shop, place.path, names, levels)
        return [*map(str, paths), _DRAWN]

    return fill
