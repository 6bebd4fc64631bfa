"""The Search tab: in a browser, and what its parts show."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from shelfsure.retrieval.brands import BrandHint
from shelfsure.retrieval.index.store import Neighbour
from shelfsure.serving.demo.search_page import as_csv, brand_html, results_html
from shelfsure.serving.demo.tabs.search import SearchTab
from shelfsure.serving.search import Searcher, SearchResult

FOUND = [
    Neighbour("m-1", 0.98765, "Red mug, <b>350 ml</b>", None, "Kitchen > Mugs"),
    Neighbour("=2", 0.5, None, "/secret/2.jpg", None),
]


def test_results_show_listings_as_text_and_give_them_as_csv() -> None:
    html = results_html(SearchResult(786, FOUND), "Most like the words “mug”", link="?tab=search")
    assert "Most like the words “mug”" in html
    assert "The nearest 2 of 786 listings" in html
    assert "98.8% similar" in html
    assert "<b>350" not in html
    assert "/secret" not in html
    assert "No photo can be shown" in html
    assert 'data-like="m-1"' in html
    href = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', html)
    assert href
    rows = list(csv.reader(io.StringIO(unquote(href[1]))))
    assert rows == [
        ["rank", "listing_id", "similarity", "title", "category"],
        ["1", "m-1", "0.9877", "Red mug, <b>350 ml</b>", "Kitchen > Mugs"],
        ["2", "=2", "0.5", "", ""],
    ]
    assert unquote(href[1]) == as_csv(FOUND)


def test_brand_says_both_brands_their_nearest_and_how_odd_it_is() -> None:
    html = brand_html(BrandHint("Acme", "Corvo", 21, 1900, FOUND[0], FOUND[1], 0.004))
    assert "Says Acme, looks like Corvo" in html
    assert "A hint, not a verdict" in html
    assert "Acme (21 listings)" in html
    assert "Corvo&#39;s (1,900)" in html
    assert "0.4%" in html


def test_search_tab_without_an_index_says_what_to_do() -> None:
    tab = SearchTab.__new__(SearchTab)
    pipeline = SimpleNamespace(retrieval=None, embedder=None)
    tab.service = SimpleNamespace(pipeline=pipeline, searcher=Searcher())  # type: ignore[assignment]
    assert "shelfsure index build" in tab.found_like("x", None, 12)
    _, said = tab.choices(None, SimpleNamespace(query_params={}))  # type: ignore[arg-type]
    assert "shelfsure index build" in said
    assert "menu" in tab.found_like("x", "/etc", 12)


def test_search_by_photo_and_more_like_a_neighbour_in_the_browser(
    page: Any, demo_url: str, tmp_path: Path, screenshot: Callable[[Any, str], None]
) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="A mug").click()
    near = page.locator("#check-similar .sf-neighbours li").first
    name = near.locator(".sf-id").inner_text()
    near.get_by_role("button", name=re.compile("More like")).click()
    results = page.locator("#search-results")
    results.get_by_role("heading", name=f"Most like {name}").wait_for()
    found = results.locator(".sf-found .sf-id").all_inner_texts()
    assert len(found) == 12
    assert name not in found
    screenshot(page, "search-like")
    with page.expect_download() as download:
        results.get_by_role("link", name="Save as CSV").click()
    download.value.save_as(tmp_path / "search.csv")
    text = (tmp_path / "search.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["listing_id"] for row in rows] == found
    # the same search by its address
    link = results.get_by_role("link", name="Link to this search").get_attribute("href")
    page.goto(demo_url + link)
    results.get_by_role("heading", name=f"Most like {name}").wait_for()
    assert results.locator(".sf-found .sf-id").all_inner_texts() == found
    page.reload()
    results.get_by_role("heading", name=f"Most like {name}").wait_for()
    # by words
    page.get_by_label("Words").fill("ceramic mug")
    page.get_by_label("Words").press("Enter")
    results.get_by_role("heading", name="Most like the words “ceramic mug”").wait_for()
    page.wait_for_function("!location.search.includes('like=')")
    assert "mug" in results.locator(".sf-found .sf-title").first.inner_text().casefold()
