import csv
import json
import re
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import CatalogError
from shelfsure.pipeline.batch import judge, write_verdicts
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.demo.inputs import photo_source, required_table
from shelfsure.serving.demo.verdict_table import duration
from shelfsure.serving.review.store import ReviewStore

# Gradio uses what pandas is about to drop
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

Served: TypeAlias = Callable[..., AbstractContextManager[str]]
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='x'</script>"
BROKEN = "the model breaks at this title"
SECONDS = 15_000


class BrokenPipeline(ListingPipeline):
    """Breaks at a title."""

    def predict(self, listings: Sequence[Listing], **options: bool) -> list[Verdict]:
        if any(listing.title == BROKEN for listing in listings):
            raise RuntimeError("a bug")
        return super().predict(listings, **options)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reviews")


@pytest.fixture(scope="module")
def batch_url(served: Served, pipeline: ListingPipeline, reviews: Path) -> Iterator[str]:
    with served(pipeline, reviews, local=True) as url:
        yield url


@pytest.fixture(scope="module")
def photos(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zips") / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for photo in sorted((tiny_folder / "photos").iterdir()):
            archive.write(photo, f"shop/photos/{photo.name}")
    return path


def start(page: Any, table: Path, archive: Path | None) -> None:
    page.locator("#batch-table input[type=file]").set_input_files(table)
    page.locator("#batch-table a[download]").wait_for()
    if archive:
        page.locator("#batch-zip input[type=file]").set_input_files(archive)
        page.locator("#batch-zip a[download]").wait_for()
    page.locator("#batch-start").click()


def wait_for(page: Any, text: str) -> str:
    status = page.locator("#batch-status")
    status.get_by_text(text).first.wait_for(timeout=SECONDS)
    said: str = status.inner_text()
    return said


def downloaded(page: Any, name: str, folder: Path) -> Path:
    with page.expect_download() as caught:
        page.locator(f'#batch-files a[download="{name}"]').click()
    path = folder / name
    caught.value.save_as(path)
    return path


def n_shown(page: Any, text: str) -> None:
    found = page.locator("#batch-verdicts").get_by_text(text).filter(visible=True)
    found.first.wait_for(timeout=SECONDS)


def test_batch_tab_gives_the_verdicts_of_predict(
    page: Any,
    batch_url: str,
    pipeline: ListingPipeline,
    tiny_folder: Path,
    photos: Path,
    reviews: Path,
    tmp_path: Path,
    screenshot: Callable[[Any, str], None],
) -> None:
    page.goto(batch_url)
    start(page, tiny_folder / "catalogue.csv", photos)
    said = wait_for(page, "Done.")
    assert "64 of 64 rows" in said
    expected = judge(pipeline, read_catalog(tiny_folder / "catalogue.csv"))
    n_review = sum(verdict.decision == "review" for _, verdict in expected)
    assert 5 < n_review < 60
    assert f"Please check: {n_review}" in said
    assert "Couldn't be read: 2" in said
    assert len(ReviewStore(reviews).pending(100)) == n_review

    write_verdicts(tmp_path / "expected.jsonl", expected)
    ours = downloaded(page, "verdicts.jsonl", tmp_path).read_text().splitlines()
    theirs = (tmp_path / "expected.jsonl").read_text().splitlines()
    kept = ("row", "listing_id", "decision", "category", "route")
    assert [[json.loads(line)[key] for key in kept] for line in ours] == [
        [json.loads(line)[key] for key in kept] for line in theirs
    ]
    rejected = downloaded(page, "rejected.csv", tmp_path).read_text()
    assert [row["row"] for row in csv.DictReader(rejected.splitlines())] == ["6", "10"]
    assert "shelfsure-" not in rejected

    page.get_by_label("Couldn't be read (2)").check()
    n_shown(page, "Verdicts: 2 rows")
    n_shown(page, "duplicate id: row 1 has it too")
    page.get_by_label("Couldn't be read (2)").uncheck()
    page.locator("#batch-category input, #batch-category textarea").first.fill("kites")
    n_kites = sum("Kites" in (verdict.category or "") for _, verdict in expected)
    n_shown(page, f"Verdicts: {n_kites} rows")
    page.locator("#batch-verdicts").get_by_text("t02").filter(visible=True).first.click()
    chosen = page.locator("#batch-chosen")
    chosen.get_by_text("Row 3: t02").wait_for()
    assert chosen.locator("img").first.get_attribute("src").startswith("data:image/jpeg")
    assert "Toys" in chosen.inner_text()
    screenshot(page, "batch")


def test_batch_tab_says_loudly_that_listings_have_drifted_and_sorts_by_number(
    page: Any,
    served: Served,
    drifting: ListingPipeline,
    tiny_folder: Path,
    photos: Path,
    tmp_path: Path,
    screenshot: Callable[[Any, str], None],
) -> None:
    expected = judge(drifting, read_catalog(tiny_folder / "catalogue.csv"))
    shift = next(verdict.shift for _, verdict in expected if verdict.shift)
    counts = Counter(verdict.decision for _, verdict in expected)
    assert counts["accept"] == 0
    with served(drifting, tmp_path / "reviews", local=True) as url:
        page.goto(url)
        start(page, tiny_folder / "catalogue.csv", photos)
        assert f"Please check: {counts['review']}" in wait_for(page, "Done.")
        banner = page.locator("#batch-shift").get_by_role("alert")
        assert shift.warning(held=True) in banner.inner_text()
        table = page.locator("#batch-verdicts")
        assert banner.bounding_box()["y"] < table.bounding_box()["y"]
        assert len(ReviewStore(tmp_path / "reviews").pending(100)) == counts["review"]
        ours = downloaded(page, "verdicts.jsonl", tmp_path).read_text().splitlines()
        kept = ("row", "decision", "shift")
        write_verdicts(tmp_path / "expected.jsonl", expected)
        theirs = (tmp_path / "expected.jsonl").read_text().splitlines()
        assert [[json.loads(line)[key] for key in kept] for line in ours] == [
            [json.loads(line)[key] for key in kept] for line in theirs
        ]

        cells = table.locator("td[aria-colindex='5']").filter(visible=True)
        header = table.locator("th[title='Probability, %']").filter(visible=True).first
        header.hover()
        header.get_by_role("button").click()
        page.get_by_text("Sort ascending").first.click()
        lowest = f"{min(v.probability for _, v in expected if v.probability) * 100:.1f}"
        table.get_by_text(lowest.removesuffix(".0"), exact=True).filter(
            visible=True
        ).first.wait_for()
        shown = [float(text) for text in cells.all_inner_texts() if text.strip()]
        assert shown == sorted(shown)
        screenshot(page, "batch-drifted")

        table.get_by_text("t02").filter(visible=True).first.click()
        chosen = page.locator("#batch-chosen")
        chosen.get_by_text("Row 3: t02").wait_for()
        assert chosen.get_by_text(shift.what).count() == 1


def test_batch_tab_cancels_within_a_chunk_and_keeps_what_is_done(
    page: Any, served: Served, slow_pipeline: ListingPipeline, many: Path, tmp_path: Path
) -> None:
    with served(slow_pipeline, tmp_path / "reviews", local=True) as url:
        page.goto(url)
        start(page, many, None)
        wait_for(page, "listings a second")
        page.locator("#batch-cancel").click()
        begin = time.monotonic()
        said = wait_for(page, "Stopped.")
        assert time.monotonic() - begin < 5
        found = re.search(r"([\d,]+) of 1,280 rows", said)
        assert found
        assert 0 < int(found[1].replace(",", "")) < 1280
        assert "marked as partial" in said
        kept = downloaded(page, "verdicts-partial.csv", tmp_path).read_text(encoding="utf-8")
        assert sum(1 for _ in csv.DictReader(kept.splitlines())) > 0
        assert page.locator('#batch-files a[download="verdicts.csv"]').count() == 0


def test_batch_tab_keeps_what_was_judged_before_a_bug(
    page: Any, served: Served, pipeline: ListingPipeline, tmp_path: Path
) -> None:
    kept = {item.name: getattr(pipeline, item.name) for item in fields(pipeline)}
    table = tmp_path / "t.csv"
    rows = "".join(f"{i},{BROKEN if i == 40 else 'lamp'}\n" for i in range(50))
    table.write_text(f"listing_id,title\n{rows}", encoding="utf-8")
    with served(BrokenPipeline(**kept), tmp_path / "reviews", local=False) as url:
        page.goto(url)
        start(page, table, None)
        said = wait_for(page, "Stopped:")
        assert "32 of 50 rows" in said
        assert "the server's log says why" in said
        assert "a bug" not in said
        assert downloaded(page, "verdicts-partial.jsonl", tmp_path).read_text().count("\n") == 32


def test_batch_tab_shows_hostile_text_as_text(page: Any, batch_url: str, tmp_path: Path) -> None:
    table = tmp_path / "hostile.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["listing_id", "title", "image"])
        writer.writerow([HOSTILE, HOSTILE, ""])
        writer.writerow(["=cmd()", "lamp", HOSTILE])
    page.goto(batch_url)
    start(page, table, None)
    wait_for(page, "Done.")
    cell = (
        page.locator("#batch-verdicts").get_by_text("<img src=x onerror").filter(visible=True).first
    )
    cell.wait_for()
    cell.click()
    page.locator("#batch-chosen").get_by_text("<script>").first.wait_for()
    assert page.locator("#batch-chosen script, #batch-verdicts script").count() == 0
    assert page.locator("img[src=x]").count() == 0
    assert page.title() not in {"hacked", "x"}


def test_batch_tab_says_what_is_missing(page: Any, batch_url: str, tmp_path: Path) -> None:
    page.goto(batch_url)
    page.locator("#batch-start").click()
    page.get_by_role("alert").get_by_text("A table of listings is needed").wait_for()
    (tmp_path / "t.csv").write_text("listing_id,title\n1,lamp\n")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../evil.jpg", "x")
    start(page, tmp_path / "t.csv", tmp_path / "bad.zip")
    said = wait_for(page, "leads out of it")
    assert "shelfsure-" not in said


def test_batch_tab_reads_a_folder_of_this_machine_only_where_that_is_allowed(
    new_page: Callable[..., Any],
    served: Served,
    batch_url: str,
    pipeline: ListingPipeline,
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    page = new_page()
    page.goto(batch_url)
    page.locator("#batch-folder input, #batch-folder textarea").first.fill(str(tiny_folder))
    start(page, tiny_folder / "catalogue.csv", None)
    assert "Couldn't be read: 2" in wait_for(page, "Done.")
    with served(pipeline, tmp_path / "reviews", local=False) as url:
        page = new_page()
        page.goto(url)
        page.locator("#batch-start").wait_for()
        assert page.locator("#batch-folder").count() == 0


def test_batch_tab_example_works_on_a_phone(
    new_page: Callable[..., Any], demo_url: str, screenshot: Callable[[Any, str], None]
) -> None:
    page = new_page(390, 844, dark=True)
    page.goto(demo_url)
    page.get_by_role("tab", name="Batch").click()
    page.locator("#batch-example").click()
    page.locator("#batch-status").get_by_text("The example is filled in").wait_for(timeout=120_000)
    page.locator("#batch-start").click()
    page.locator("#batch-status").get_by_text("Done.").wait_for(timeout=120_000)
    said = page.locator("#batch-status").inner_text()
    assert "32 of 32 rows" in said
    assert "Couldn't be read: 2" in said
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "the page must fit its width"
    screenshot(page, "batch-phone")


def test_photo_source_counts_a_folder_only_where_allowed(tmp_path: Path) -> None:
    assert photo_source(None, "/etc", local=False) is None
    assert photo_source("p.zip", "/etc", local=False) == Path("p.zip")
    assert photo_source(None, f" {tmp_path} ", local=True) == tmp_path
    assert photo_source(None, "", local=True) is None
    with pytest.raises(CatalogError, match="but both are given"):
        photo_source("p.zip", str(tmp_path), local=True)


def test_required_table_asks_for_one() -> None:
    assert required_table("t.csv") == Path("t.csv")
    with pytest.raises(CatalogError, match="A table of listings is needed"):
        required_table(None)


def test_duration_is_short() -> None:
    assert [duration(s) for s in (42, 180, 9000)] == ["42 s", "3 min", "2.5 h"]
