"""The tab "Evaluate": a labelled table in, fusion against each kind of evidence alone out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from ....evaluation.messages import warnings
from ...service import Service
from .. import evaluation_job as measured
from .. import inputs
from ..examples import example_filler, example_labelled
from ..html import banner, notice, progress, render
from ..jobs.folder import JobFolder
from ..jobs.running import Jobs, RunningJob
from ..uploads.archives import keep_only
from ..uploads.uploads import read_outside
from .job_tab import ADDRESS, Given, JobSession, JobTab, Updates, photos_given, read_given

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


class EvaluateTab(JobTab):
    """The tab's fields, built inside the open `gr.Tab`, and what they do; see `ui.build_ui`."""

    kind = "evaluate"

    def __init__(self, service: Service, jobs: Jobs, *, local: bool) -> None:
        super().__init__(jobs)
        self.service, self.local = service, local
        self.state = gr.State(None)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._build_inputs()
            with gr.Column(scale=7, min_width=300):
                self.status = inputs.html_field("evaluate-status", _START, js_on_load=ADDRESS)
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
            headers=list(measured.HEADERS),
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
                for name, label in measured.CHARTS.items()
            }
        self.results = [self.files, self.comparison, *self.plots.values()]

    def _connect(self) -> None:
        self.connect([*self.uploads, *self.outside], self.results)
        fill = example_filler(self.service, example_labelled, _DRAWN)
        filled = [self.uploads.table, self.uploads.archive, self.outside[0], self.status]
        self.example.click(fill, None, filled, **inputs.PRIVATE)

    def begin(
        self,
        table: str | None,
        archive: str | None,
        folder: str,
        outside: str | None,
        outside_folder: str,
    ) -> RunningJob:
        """Begin to evaluate what was uploaded."""
        given = Given(files={"table": inputs.required_table(table)})
        given.add_photos("photos", archive, folder, local=self.local)
        given.add_photos("outside", outside, outside_folder, local=self.local)
        return self.jobs.begin(self.kind, given.asked, given.files)

    def work(self, job: JobFolder, cancelled: Event) -> Iterator[str]:
        """Evaluate; after an interruption, what was embedded is there already."""
        pipeline = self.service.pipeline
        upload = read_given(job, need_category=True)
        note = measured.check_labels(upload.catalog, pipeline.class_names, pipeline.config.levels)
        strangers = photos_given(job, "outside")
        others = read_outside(strangers, job.fresh("outside")) if strangers else []
        total, spare = len(upload.catalog.listings) + len(others), job.folder("cache")
        for found in measured.evaluate_in_parts(
            pipeline, upload.catalog, others, spare, on_shift=self.service.on_shift
        ):
            if cancelled.is_set():
                return
            if isinstance(found, int):
                yield progress_html(found, total)
                continue
            heading = upload.without_root(f"Done. {found.catalog.summary()}.")
            shown = {
                "status": results_html(found, heading, note),
                "rows": measured.comparison_rows(found.metrics),
                "charts": measured.charts(found),
            }
            table = inputs.required_table(job.given("table")).name
            with job.finishing(shown) as result:
                measured.write_results(found, result, version=pipeline.version, listings=table)
                keep_only(job.folder("photos"), ())

    def cleared(self) -> Updates:
        return {part: type(part)(visible=False) for part in self.results}

    def finished(self, _: JobSession, shown: Mapping[str, Any], result: Path) -> Updates:
        import plotly.graph_objects as go

        drawn = {
            self.plots[name]: gr.Plot(go.Figure(figure) if figure else None, visible=bool(figure))
            for name, figure in shown["charts"].items()
        }
        return drawn | {
            self.files: inputs.handed_out(measured.results_in(result)),
            self.comparison: gr.Dataframe(shown["rows"], visible=True),
        }


def results_html(result: measured.Evaluated, heading: str, note: str) -> str:
    """Say what came out: first, and loudly, that listings drifted or that the promise is broken."""
    told = {"heading": heading, "lines": result.headlines(), "note": note}
    return banner(warnings(result.metrics)) + render("headlines.html.j2", **told)


def progress_html(n_done: int, n_rows: int) -> str:
    """Say how far the embedding is."""
    heading = f"{n_done:,} of {n_rows:,} listings and photos" if n_rows else "Reading the upload"
    detail = "read; then everything is compared." if n_done == n_rows and n_rows else "…"
    return progress(heading, detail, n_done, max(1, n_rows))
