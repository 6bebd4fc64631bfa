"""A real demo on a free port, and a real browser that may talk to this machine alone."""

import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift, ShiftDetector
from shelfsure.pipeline.verdict import Verdict


class DriftingPipeline(ListingPipeline):
    """Finds every listing from the 25th of the tiny catalogue on a little strange."""

    def predict(
        self, listings: Sequence[Listing], *, on_shift: OnShift = "review", **options: bool
    ) -> list[Verdict]:
        verdicts = super().predict(listings, on_shift="ignore", **options)
        place = {f"t{n:02d}": n for n in range(60)}
        p_values = [place.get(item.listing_id, 60) / 24 for item in listings]
        verdicts = [
            verdict.model_copy(update={"ood_p_value": p if 0 < p < 1 else 0.1})
            for verdict, p in zip(verdicts, p_values, strict=True)
        ]
        return self.as_batch(verdicts, on_shift)

    def shift_detector(self) -> ShiftDetector:
        return ShiftDetector(1000, 0.05)


@pytest.fixture(scope="session")
def drifting(tiny_trained: ListingPipeline) -> ListingPipeline:
    """A pipeline that notices a drift within the tiny catalogue."""
    kept = {item.name: getattr(tiny_trained, item.name) for item in fields(tiny_trained)}
    return DriftingPipeline(**kept | {"retrieval": None, "version": "abc"})


ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = {"127.0.0.1", "localhost", ""}  # "": data: and blob: addresses have no host


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its review queue."""
    return tmp_path_factory.mktemp("demo")


DEMO = """
import os, runpy, sys
import shelfsure.core.runtimes.engine as engine
app, log, *sys.argv[1:] = sys.argv[1:]
for output in (1, 2):
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), output)
engine.OTHERS = ()  # trying them takes seconds, and has tests of its own
os.environ.pop("SHELFSURE_BUNDLE", None)
runpy.run_path(app, run_name="__main__")
"""


@pytest.fixture(scope="session")
def demo_url(
    _own_cache: None, demo_folder: Path, fork_process: Callable[..., Any]
) -> Iterator[str]:
    """The address of ``app.py`` over the starter bundle, demo and REST, ending in a slash.

    It is a process of its own: in this one, warnings of the web framework would be errors.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    log = demo_folder / "log.txt"
    arguments = [ROOT / "app.py", log, "--port", port, "--device", "cpu"]
    process = fork_process(DEMO, arguments, {"SHELFSURE_REVIEWS": str(demo_folder)})
    try:
        _wait_until_ready(url, process, log)
        yield url
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.close()


def _wait_until_ready(url: str, process: Any, log: Path) -> None:
    until = time.monotonic() + 180
    while True:
        assert process.poll() is None, f"the demo ended: {log.read_text()[-3000:]}"
        assert time.monotonic() < until, f"the demo isn't ready: {log.read_text()[-3000:]}"
        with suppress(OSError), urllib.request.urlopen(f"{url}readyz") as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, as the system has it.

    Its end comes with the file's: while Playwright lives, an event loop counts as running in this
    thread, and tests that start one of their own would fail.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # a busy machine is no failure
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no `chromium` on the PATH: install it to test the page")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages: ``new_page(width=390, dark=True)``; none may ask another machine for anything."""
    contexts: list[Any] = []
    elsewhere: list[str] = []

    def note(request: Any) -> None:
        if urlsplit(request.url).hostname not in LOOPBACK | {None}:
            elsewhere.append(request.url)

    def make(width: int = 1440, height: int = 900, *, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(30_000)
        context.on("request", note)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert not elsewhere, f"the page must ask this machine only, but asked for {elsewhere}"


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """A page 1440 pixels wide, in the light scheme."""
    return new_page()


@pytest.fixture
def screenshot() -> Callable[[Any, str], None]:
    """Save the whole page as ``NAME.png`` in ``$SHELFSURE_SCREENSHOTS``, if that is set."""
    folder = os.environ.get("SHELFSURE_SCREENSHOTS")

    def save(page: Any, name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return save
