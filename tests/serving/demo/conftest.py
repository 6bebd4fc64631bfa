"""The tab "Batch" alone, over fake encoders, on a real server; a catalogue with duplicates."""

import csv
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image, ImageEnhance
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.fusion.accept_rule import Rules
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.demo.duplicate_search import Found, search_duplicates
from shelfsure.serving.demo.jobs.folder import JobStore
from shelfsure.serving.demo.jobs.running import THREAD, Jobs
from shelfsure.serving.demo.tabs.batch import BatchTab
from shelfsure.serving.demo.ui import appearance
from shelfsure.serving.review.store import ReviewStore
from shelfsure.serving.service import Service

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
N_COPIED = 12


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
    for one in threading.enumerate():
        if one.name == THREAD:
            one.join(timeout=20)


@pytest.fixture(scope="session")
def twice(tmp_path_factory: pytest.TempPathFactory, drawn_shop: Path) -> Path:
    """Folder with ``catalogue.csv`` and ``photos.zip``: 20 listings, 12 of them listed again
    (one of those as the same file under a hostile title), one as a variant, one without a photo.
    """
    folder = tmp_path_factory.mktemp("twice")
    (folder / "photos").mkdir()
    rows = [["listing_id", "title", "image"]]
    for number in range(20):
        photo = Image.open(drawn_shop / f"photos/{number}.png").convert("RGB")
        photo.save(folder / f"photos/{number}.png")
        rows.append([f"a{number:02d}", f"thing {number} blue 300 ml", f"photos/{number}.png"])
        if number < N_COPIED:
            name = f"photos/copy {number}.jpg"
            title = f"thing {number} blue 300 ml"
            if number == 0:
                name, title = "photos/copy.png", f"{HOSTILE} thing 0 blue 300 ml"
                (folder / name).write_bytes((folder / "photos/0.png").read_bytes())
            else:
                ImageEnhance.Brightness(photo).enhance(1.05).save(folder / name, quality=75)
            title = title.replace("300", "500") if number == 1 else title
            rows.append([f"b{number:02d}", title, name])
    rows.append(["gone", "thing without its photo", "photos/gone.png"])
    with (folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in sorted((folder / "photos").iterdir()):
            archive.write(path, f"photos/{path.name}")
    return folder


@pytest.fixture(scope="session")
def saved(tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny pipeline, with its index on disk."""
    return tiny_trained.save(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def found(saved: ListingPipeline, twice: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What is listed twice there."""
    catalog, spare = read_catalog(twice / "catalogue.csv"), tmp_path_factory.mktemp("spare")
    *words, found = search_duplicates(saved, catalog, None, spare)
    assert all(isinstance(word, str) for word in words)
    assert isinstance(found, Found)
    return found
