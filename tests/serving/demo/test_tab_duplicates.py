import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shelfsure.serving.demo.duplicate_search as search_module
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.core.errors import CatalogError, ConfigError, IndexIncompleteError
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.serving.demo.duplicate_file import KeptReview
from shelfsure.serving.demo.duplicate_search import (
    Found,
    chosen_index,
    index_choices,
    search_duplicates,
)
from shelfsure.serving.demo.jobs.folder import JobFolder
from shelfsure.serving.demo.tabs.duplicates import (
    PAGE,
    DuplicateSession,
    cases_html,
    summary_html,
)
from shelfsure.serving.indexes import BUNDLE

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
N_COPIED = 12


def found_in(saved: ListingPipeline, catalog: Catalog | None, index: Any, spare: Path) -> Found:
    *words, found = search_duplicates(saved, catalog, index, spare)
    assert all(isinstance(word, str) for word in words)
    assert isinstance(found, Found)
    return found


@pytest.fixture
def session(found: Found, twice: Path, tmp_path: Path) -> DuplicateSession:
    kept = KeptReview(found, tmp_path / "answers.json", twice)
    return DuplicateSession(JobFolder(tmp_path / ("0" * 32)), kept=kept)


def test_search_finds_what_is_listed_twice(found: Found) -> None:
    said = {frozenset((p.a.listing_id, p.b.listing_id)): p.verdict for p in found.result.pairs}
    wanted = {frozenset((f"a{n:02d}", f"b{n:02d}")): "same_product" for n in range(N_COPIED)}
    wanted |= {frozenset(("a00", "b00")): "same_photo", frozenset(("a01", "b01")): "variant"}
    assert wanted.items() <= said.items()
    assert found.result.n_listings == 20 + N_COPIED


def test_search_of_an_upload_in_an_index_and_of_the_index_alone(
    saved: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    assert saved.retrieval is not None
    assert saved.retrieval.index is not None
    index = ListingIndex.open(shutil.copytree(saved.retrieval.index.folder, tmp_path / "few"))
    index.remove(index.ids()[20:])
    saved = replace(saved, retrieval=replace(saved.retrieval, index=index))
    assert chosen_index(saved, BUNDLE, "", local=False) is index
    known = index.ids()[:5]
    uploads = [
        replace(listing, listing_id=f"new {listing.listing_id}")
        for listing in read_catalog(tiny_folder / "catalogue.csv").listings
        if listing.listing_id in known
    ]
    found = found_in(saved, Catalog.from_listings(uploads), index, tmp_path)
    assert found.n_against == len(index.ids())
    pairs = {(p.a.listing_id, p.b.listing_id) for p in found.result.pairs}
    assert {(f"new {name}", name) for name in known} <= pairs
    alone = found_in(saved, None, index, tmp_path)
    assert (alone.result.n_listings, alone.n_against) == (len(index.ids()), 0)


def test_search_of_nothing_or_too_much_is_refused(
    saved: ListingPipeline, twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CatalogError, match="choose an index"):
        list(search_duplicates(saved, None, None, tmp_path))
    monkeypatch.setattr(search_module, "MAX_LISTINGS", 3)
    with pytest.raises(CatalogError, match=r"At most 3 .* has 32"):
        list(search_duplicates(saved, read_catalog(twice / "catalogue.csv"), None, tmp_path))
    with pytest.raises(ConfigError, match="At most 3"):
        chosen_index(saved, BUNDLE, "", local=False)


def test_chosen_index_opens_only_what_is_on_the_menu(
    saved: ListingPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = saved.retrieval
    assert retrieval is not None
    assert retrieval.index is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "index").mkdir()
    (tmp_path / "index/shop").symlink_to(retrieval.index.folder)
    (tmp_path / "index/empty").mkdir()
    labels = dict(index_choices(saved))
    assert list(labels.values()) == ["", BUNDLE, "index/shop"]
    opened = chosen_index(saved, "index/shop", "", local=False)
    assert opened is not None
    assert opened.ids() == retrieval.index.ids()
    assert chosen_index(saved, "", "", local=True) is None
    for choice in (str(retrieval.index.folder), "index/../index/shop", "index/empty"):
        with pytest.raises(ConfigError, match="menu"):
            chosen_index(saved, choice, "", local=False)
    folder = str(retrieval.index.folder)
    assert chosen_index(saved, "", folder, local=False) is None
    assert chosen_index(saved, "", folder, local=True) is not None
    with pytest.raises(IndexIncompleteError):
        chosen_index(saved, "", str(tmp_path / "index/empty"), local=True)


def test_cases_html_opens_the_page_of_a_pair(session: DuplicateSession) -> None:
    assert session.kept is not None
    number = session.kept.review.cases[PAGE].pairs[0][0]
    session.pair = number
    html = cases_html(session)
    assert "Page 2 of 2" in html
    assert html.count('aria-current="true"') == 1
    assert f"pair={number}" in html
    session.pair = 10**9
    assert 'aria-current="true"' not in cases_html(session)


def test_cases_html_shows_titles_as_text_and_photos_with_words(session: DuplicateSession) -> None:
    everything = cases_html(session)
    session.kind = "same_photo"
    hostile = cases_html(session)
    assert "&lt;script&gt;" in hostile
    for html in (everything, hostile):
        assert "<script" not in html
        assert 'onerror="' not in html
        assert html.count("<img") == html.count('alt="Photo of')
    assert everything.count("<img") >= 2 * PAGE


def test_cases_html_pages_and_keeps_within_them(session: DuplicateSession) -> None:
    assert "Page 1 of 2" in cases_html(session)
    session.page = 99
    assert "Page 2 of 2" in cases_html(session)
    assert session.page == 1
    session.kind = "same_photo"
    assert "Page" not in cases_html(session)
    assert session.kept is not None
    session.kept.review.answer_rest("same_photo", "accepted")
    session.only_open = True
    assert "Nothing of this kind is left" in cases_html(session)


def test_summary_html_counts_answers(session: DuplicateSession) -> None:
    assert session.kept is not None
    session.kept.review.answer_rest("variant", "accepted")
    html = summary_html(session)
    assert f"<strong>1 of {N_COPIED}</strong>" in html
    assert "1 pair: 1 accepted, 0 rejected" in html


def upload(page: Any, folder: Path) -> None:
    from playwright.sync_api import expect

    for part, name in {"table": "catalogue.csv", "zip": "photos.zip"}.items():
        page.locator(f"#duplicates-{part} input[type=file]").set_input_files(folder / name)
        expect(page.locator(f"#duplicates-{part} a[download]").first).to_be_visible()


def test_duplicates_from_upload_to_plan(
    demo_url: str,
    twice: Path,
    page: Any,
    screenshot: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    from playwright.sync_api import expect

    page.goto(demo_url)
    page.get_by_role("tab", name="Duplicates").click()
    summary, cases = page.locator("#duplicates-summary"), page.locator("#duplicates-cases")
    page.get_by_role("button", name="Find duplicates").click()
    status = page.locator("#duplicates-status")
    expect(status.get_by_role("alert")).to_contain_text("Something must be looked through")
    upload(page, twice)
    page.get_by_role("button", name="Find duplicates").click()
    expect(summary).to_contain_text("pairs and", timeout=120_000)
    expect(summary).to_contain_text("1 photo not found")
    assert "pwned" not in page.title()

    page.locator("#duplicates-kind input").click()
    page.get_by_role("option", name="Same photo").click()
    first = cases.locator(".sf-side", has_text=HOSTILE)
    expect(first).to_have_count(1)
    first.get_by_role("button", name="Accept").click()
    expect(first.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
    expect(summary).to_contain_text("1 of ")
    first.get_by_role("button", name="Accept").click()
    expect(summary).to_contain_text("0 of ")
    first.get_by_role("button", name="Reject").click()
    expect(summary).to_contain_text("0 accepted, 1 rejected")
    rest = summary.locator("button[data-kind=same_product][data-answer=accepted]")
    rest.click()
    expect(rest).to_be_disabled()
    page.locator("#duplicates-kind input").click()
    page.get_by_role("option", name="All kinds").click()
    expect(cases.locator("article")).to_have_count(PAGE)
    screenshot(page, "duplicates")
    answered = summary.locator("p strong").first.inner_text()
    page.locator("h1").click()  # out of any field
    for key in "nr":  # the first pair, and it is rejected
        page.keyboard.press(key)
    expect(cases.locator(".sf-side[aria-current]")).to_have_count(1)
    page.keyboard.press("u")
    expect(summary.locator("p strong").first).to_have_text(answered)
    cases.locator(".sf-photo img").first.click()
    expect(page.locator("dialog.sf-zoom img").first).to_be_visible()
    assert page.locator("dialog.sf-zoom img").count() >= 2, "side by side"
    page.keyboard.press("Escape")
    expect(page.locator("dialog.sf-zoom")).to_be_hidden()

    page.locator("#duplicates-kind input").click()
    page.get_by_role("option", name="Same product").click()
    page.get_by_label("Only what has no answer yet").check()
    expect(cases).to_contain_text("Nothing of this kind is left")
    page.get_by_label("Only what has no answer yet").uncheck()
    expect(cases.locator("article").first).to_be_visible()
    n_cases = cases.locator("article").count()
    expect(page).to_have_url(re.compile("show=same_product"))
    link = cases.get_by_role("link", name="Link to this pair").last.get_attribute("href")
    page.reload()
    expect(cases.locator("article")).to_have_count(n_cases)
    expect(summary.locator("p strong").first).to_have_text(answered)
    expect(page.locator("#duplicates-kind input")).to_have_value(re.compile("Same product"))
    page.goto(demo_url + link)
    expect(cases.locator(".sf-side[aria-current]")).to_have_count(1)
    page.locator("h1").click()
    page.keyboard.press("r")
    expect(summary.locator("p strong").first).to_have_text(answered)
    page.keyboard.press("u")
    expect(cases).to_contain_text("Page 2 of")
    cases.get_by_role("button", name="Back").click()
    expect(cases).to_contain_text("Page 1 of")
    cases.get_by_role("button", name="Next").click()
    expect(cases).to_contain_text("Page 2 of")

    page.get_by_role("button", name="Make the merge plan").click()
    with page.expect_download() as download:
        page.locator("#duplicates-files a[download]").first.click()
    download.value.save_as(tmp_path / "merge.json")
    steps = json.loads((tmp_path / "merge.json").read_text())["steps"]
    taken = {step["listing_id"] for step in steps} | {step["into"] for step in steps}
    assert {"a02", "b02", "a11", "b11"} <= taken
    assert taken.isdisjoint({"a00", "b00", "a01", "b01"}), "rejected, and a variant"
    assert all(step["before"]["image"].startswith("photos/") for step in steps)


def test_duplicates_fit_a_phone(
    demo_url: str, twice: Path, new_page: Callable[..., Any], screenshot: Callable[[Any, str], None]
) -> None:
    from playwright.sync_api import expect

    phone = new_page(width=390, height=844, dark=True)
    phone.goto(demo_url)
    phone.get_by_role("tab", name="Duplicates").click()
    upload(phone, twice)
    phone.get_by_role("button", name="Find duplicates").click()
    expect(phone.locator("#duplicates-cases article").first).to_be_visible(timeout=120_000)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(phone, "duplicates-phone")
