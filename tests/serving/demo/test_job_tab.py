"""A batch in a real browser: the page is reloaded, the server is restarted, links are opened."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from shelfsure.pipeline.pipeline import ListingPipeline

# Gradio uses what pandas is about to drop
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
Served: TypeAlias = Callable[..., AbstractContextManager[str]]


def begin(page: Any, table: Path, archive: Path | None = None) -> Any:
    from playwright.sync_api import expect

    for part, path in {"table": table, "zip": archive}.items():
        if path:
            page.locator(f"#batch-{part} input[type=file]").set_input_files(path)
            page.locator(f"#batch-{part} a[download]").wait_for()
    page.locator("#batch-start").click()
    expect(page).to_have_url(re.compile("batch=[0-9a-f]{32}"))
    return page.locator("#batch-status")


def n_done(status: Any) -> int:
    found = re.search(r"([\d,]+) of [\d,]+ rows", status.inner_text())
    return int(found[1].replace(",", "")) if found else 0


@pytest.fixture
def port() -> int:
    """A free one, for two servers after each other."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_reloads_and_a_restart_of_the_server_lose_nothing(
    page: Any,
    served: Served,
    port: int,
    pipeline: ListingPipeline,
    slow_pipeline: ListingPipeline,
    many: Path,
    tmp_path: Path,
) -> None:
    from playwright.sync_api import expect

    folder = tmp_path / "reviews"
    with served(slow_pipeline, folder, local=True, port=port) as url:
        page.goto(url)
        status = begin(page, many)
        expect(status).to_contain_text("listings a second")
        page.reload()
        expect(status).to_contain_text("listings a second")
        assert page.locator("#batch-cancel").is_enabled()
        before = n_done(status)
        assert 0 < before < 1280
        address = page.url
    with served(pipeline, folder, local=True, port=port):
        page.goto(address)
        expect(status).to_contain_text("An end of the server interrupted this job")
        expect(status).to_contain_text("1,280 of 1,280 rows")
        expect(status).to_contain_text("Done.")
    with served(pipeline, folder, local=True, port=port):
        page.goto(address)
        expect(status).to_contain_text("1,280 of 1,280 rows")
        expect(status).not_to_contain_text("interrupted")
        with page.expect_download() as caught:
            page.locator('#batch-files a[download="verdicts.jsonl"]').click()
        assert Path(caught.value.path()).read_bytes().count(b"\n") == 1280


@pytest.fixture
def finished(
    new_page: Callable[..., Any],
    served: Served,
    pipeline: ListingPipeline,
    tiny_folder: Path,
    tmp_path: Path,
) -> Iterator[Any]:
    """A page that shows a batch that has ended."""
    from playwright.sync_api import expect

    page = new_page()
    with served(pipeline, tmp_path / "reviews", local=True) as url:
        page.goto(url)
        page.locator("#batch-folder input, #batch-folder textarea").first.fill(str(tiny_folder))
        expect(begin(page, tiny_folder / "catalogue.csv")).to_contain_text("Done.")
        yield page


def test_a_link_opens_a_row_for_somebody_else(finished: Any, new_page: Callable[..., Any]) -> None:
    from playwright.sync_api import expect

    cell = finished.locator("#batch-verdicts").get_by_text("t02").filter(visible=True).first
    cell.click()
    link = finished.get_by_role("link", name="Link to this row")
    expect(link).to_be_visible()
    expect(finished).to_have_url(re.compile("&row=3"))
    address = finished.url
    assert address.endswith(link.get_attribute("href").partition("batch&")[2])
    other = new_page()
    other.goto(address)
    chosen = other.locator("#batch-chosen")
    expect(chosen).to_contain_text("Row 3: t02")
    expect(chosen.locator("img").first).to_have_attribute("src", re.compile("data:image/jpeg"))
    assert "t02" in other.locator("#batch-verdicts").inner_text()
    other.locator("#batch-start").click()
    expect(other.locator("#batch-status").get_by_role("alert")).to_contain_text("is needed")


@pytest.mark.parametrize("job_id", ["0" * 32, "../jobs", "%00"])
def test_an_unknown_job_is_said_to_be_gone(finished: Any, job_id: str) -> None:
    from playwright.sync_api import expect

    finished.goto(f"{finished.url.partition('?')[0]}?batch={job_id}&row=x")
    expect(finished.locator("#batch-status")).to_contain_text("There is no such job here")
