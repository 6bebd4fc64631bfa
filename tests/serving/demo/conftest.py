"""The tab "Batch" alone, over fake encoders, on a real server."""

import csv
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from pathlib import Path

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI
from shelfsure.catalog.listing import Listing
from shelfsure.fusion.accept_rule import Rules
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.demo.jobs.folder import JobStore
from shelfsure.serving.demo.jobs.running import Jobs
from shelfsure.serving.demo.tabs.batch import BatchTab
from shelfsure.serving.demo.ui import appearance
from shelfsure.serving.review.store import ReviewStore
from shelfsure.serving.service import Service


class SlowPipeline(ListingPipeline):
    """Takes its time, so that there is something to cancel."""

    def predict(self, listings: Sequence[Listing], **options: bool) -> list[Verdict]:
        time.sleep(0.4)
        return super().predict(listings, **options)


@pytest.fixture(scope="session")
def pipeline(tiny_trained: ListingPipeline) -> ListingPipeline:
    """Stricter than it need be, so that something is left to review."""
    strict = {
        pattern: tuple(replace(rule, threshold=0.9997) for rule in rules)
        for pattern, rules in tiny_trained.rules.by_pattern.items()
    }
    return replace(tiny_trained, rules=Rules(strict), retrieval=None, version="abc")


@pytest.fixture(scope="session")
def slow_pipeline(pipeline: ListingPipeline) -> ListingPipeline:
    """The same, but it takes its time."""
    return SlowPipeline(**{item.name: getattr(pipeline, item.name) for item in fields(pipeline)})


@pytest.fixture(scope="session")
def many(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 1,280 rows, 20 times the tiny catalogue."""
    table = tmp_path_factory.mktemp("many") / "many.csv"
    with (tiny_folder / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    with table.open("w", encoding="utf-8", newline="") as file:
        copies = [[f"{row[0]}-{i}", *row[1:]] for i in range(20) for row in rows]
        csv.writer(file).writerows([header, *copies])
    return table


@pytest.fixture(scope="session")
def served() -> Callable[..., AbstractContextManager[str]]:
    """Serve the tab: ``with served(pipeline, folder, local=True) as url``; jobs are in `folder`."""
    return _served


@contextmanager
def _served(
    pipeline: ListingPipeline,
    folder: Path,
    *,
    local: bool,
    on_shift: OnShift = "review",
    port: int = 0,
) -> Iterator[str]:
    with Service(lambda: pipeline, on_shift=on_shift) as service:
        jobs = Jobs(JobStore(folder.with_name(f"{folder.name}-jobs")), lambda: service.ending)
        with gr.Blocks(analytics_enabled=False) as blocks:
            BatchTab(service, ReviewStore(folder), jobs, local=local)
        app = gr.mount_gradio_app(FastAPI(), blocks.queue(), "/", **appearance())
        # pages keep a stream open, for which it would wait
        options = {"log_level": "critical", "ws": "none", "timeout_graceful_shutdown": 0}
        config = uvicorn.Config(app, host="127.0.0.1", port=port, **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server ended at once"
            assert time.monotonic() < until, "the server didn't start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
        service.ending = True
        server.should_exit = True
        thread.join(timeout=20)
