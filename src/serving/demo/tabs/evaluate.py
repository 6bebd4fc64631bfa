"""The tab "Evaluate": a labelled table in, fusion against each kind of evidence alone out."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ....evaluation.messages import warnings
from ...service import Service
from .. import evaluation_job as job
from .. import inputs
from ..examples import example_filler, example_labelled
from ..html import banner, notice, progress, render
from ..uploads.archives import keep_only
from ..uploads.uploads import Workspace, read_outside, read_upload

_START = notice(
    "Add a table of listings with their true categories and a zip of their photos, and press "
    "“Evaluate”; or try the example.",
    heading="The comparison appears here",
)
_DRAWN = notice(
    "These listings are drawn, and of the very catalogue that neighbours are looked for in. Their "
    "titles are worded as real shops do, but by photo alone a model that was trained on real ones "
    "does worse on drawings. Bring your own listings for true numbers.",
    heading="The example is filled in",
)


class EvaluateTab:
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    def __init__(self, service: Service, *, local: bool) -> None:
        self.service, self.local = service, local
        self.state = gr.State(None, delete_callback=lambda place: place and place.close())
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
            with gr.Column(scale=7, min_width=300):
                self.status = inputs.html_field("evaluate-status", _START)
                self.files = inputs.files_field("evaluate", "Report")
        self._build_results()
        self._connect()

    def _build_inputs(self) -> None:
        labels = {"table": "Labelled listings"}
        self.uploads = inputs.upload_fields("evaluate", **labels, local=self.local)
        with gr.Accordion("Photos of what you don't sell", open=False):
            self.outside = inputs.photo_fields(
                ("evaluate-outside", "evaluate-outside-folder"),
                (
                    "A zip of such photos: measures the out-of-catalogue detector",
                    "Or their folder on this machine",
                ),
                local=self.local,
            )
        self.start, self.stop = inputs.start_buttons("evaluate", "Evaluate")
        self.example = gr.Button("Fill in an example", size="sm", elem_id="evaluate-example")

    def _build_results(self) -> None:
        self.comparison = gr.Dataframe(
            headers=list(job.HEADERS),
            datatype="str",
            label="Fusion against each kind of evidence alone",
            interactive=False,
            visible=False,
            elem_id="evaluate-comparison",
        )
        with gr.Row(equal_height=False):
            self.plots = {
                name: gr.Plot(
                    label=label,
                    show_label=False,
                    visible=False,
                    min_width=320,
                    elem_id=f"evaluate-{name}",
                    buttons=[],
                )
                for name, label in job.CHARTS.items()
            }
        self.results = [self.files, self.comparison, *self.plots.values()]

    def _connect(self) -> None:
        running = self.start.click(
            self.run,
            [*self.uploads, *self.outside, self.state],
            [self.state, self.status, self.stop, *self.results],
            concurrency_limit=1,
            show_progress_on=self.status,
            **inputs.PRIVATE,
        )
        running.then(inputs.disabled, None, self.stop, **inputs.QUIET)
        inputs.stop_by_cancelling(self.stop, self.status, running)
        fill = example_filler(self.service, example_labelled, _DRAWN)
        filled = [self.uploads.table, self.uploads.archive, self.outside[0], self.status]
        self.example.click(fill, None, filled, **inputs.PRIVATE)

    def run(self, *given: Any) -> Iterator[dict[Any, Any]]:
        """Evaluate what was uploaded, telling how far it is."""
        *uploaded, old = given
        if old is not None:
            old.close()
        place = Workspace()
        hidden = {part: type(part)(visible=False) for part in self.results}
        begun = {self.state: place, self.status: progress_html(0, 0)}
        yield hidden | begun | {self.stop: gr.Button(interactive=True)}
        try:
            for found in self.measure(place, *uploaded):
                yield {self.status: found} if isinstance(found, str) else self.shown(*found)
        except Exception as error:  # noqa: BLE001 (the log gets what the visitor can't mend)
            place.close()
            failed = notice(inputs.explained(error), kind="error")
            yield {self.state: None, self.status: failed}

    def measure(
        self,
        place: Workspace,
        table: str | None,
        archive: str | None,
        folder: str,
        outside: str | None,
        outside_folder: str,
    ) -> Iterator[str | tuple[job.Evaluated, str, list[str]]]:
        """Evaluate; how far it is, then the numbers, what to say of them, and the files."""
        pipeline = self.service.pipeline
        labelled = inputs.required_table(table)
        photos = inputs.photo_source(archive, folder, local=self.local)
        upload = read_upload(labelled, photos, place.folder("photos"), need_category=True)
        note = job.check_labels(upload.catalog, pipeline.class_names, pipeline.config.levels)
        strangers = inputs.photo_source(outside, outside_folder, local=self.local)
        others = read_outside(strangers, place.folder("outside")) if strangers else []
        total, spare = len(upload.catalog.listings) + len(others), place.folder("cache")
        for found in job.evaluate_in_parts(
            pipeline, upload.catalog, others, spare, on_shift=self.service.on_shift
        ):
            if isinstance(found, int):
                yield progress_html(found, total)
                continue
            heading = upload.without_root(f"Done. {found.catalog.summary()}.")
            said = results_html(found, heading, note)
            about = {"version": pipeline.version, "listings": labelled.name}
            paths = job.write_results(found, place.folder("out"), **about)
            for name in ("photos", "outside", "cache"):
                keep_only(place.folder(name), ())
            yield found, said, paths

    def shown(self, result: job.Evaluated, said: str, paths: list[str]) -> dict[Any, Any]:
        import plotly.graph_objects as go

        drawn = {
            self.plots[name]: gr.Plot(go.Figure(figure) if figure else None, visible=bool(figure))
            for name, figure in job.charts(result).items()
        }
        return drawn | {
            self.status: said,
            self.files: gr.Files(paths, visible=True),
            self.comparison: gr.Dataframe(job.comparison_rows(result.metrics), visible=True),
        }


def results_html(result: job.Evaluated, heading: str, note: str) -> str:
    """Say what came out: first, and loudly, that listings drifted or that the promise is broken."""
    told = {"heading": heading, "lines": result.headlines(), "note": note}
    return banner(warnings(result.metrics)) + render("headlines.html.j2", **told)


def progress_html(n_done: int, n_rows: int) -> str:
    """Say how far the embedding is."""
    heading = f"{n_done:,} of {n_rows:,} listings and photos" if n_rows else "Reading the upload"
    detail = "read; then everything is compared." if n_done == n_rows and n_rows else "…"
    return progress(heading, detail, n_done, max(1, n_rows))
