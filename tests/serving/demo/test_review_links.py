"""An address opens a listing of the review queue, or a filter and its page, again."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.demo.tabs.review_together import N_SHOWN, Asked
from shelfsure.serving.review.store import ReviewStore

KIND = "Home > Linked"


def test_asked_is_read_as_it_is_written() -> None:
    asked = Asked(KIND, 'blue & "red"', 2)
    assert asked.here.endswith("&from=3")
    assert Asked.of_address(dict(parse_qsl(asked.here))) == asked
    assert Asked().here == "seems=&words=&from="


@pytest.mark.parametrize("page", ["", "0", "1", "-3", "x", "9" * 30, "²"])
def test_asked_of_an_odd_page_is_the_first(page: str) -> None:
    assert Asked.of_address({"words": "x", "from": page}).page == 0


def test_a_link_opens_a_filter_and_its_page_and_a_listing(
    demo_url: str, demo_folder: Path, page: Any, new_page: Callable[..., Any]
) -> None:
    from playwright.sync_api import expect

    store = ReviewStore(demo_folder)
    verdict = Verdict(listing_id="x", decision="review", category=KIND, probability=0.5, top_k=())
    ids = [store.add(Listing(f"l-{n}", f"Linked {n}"), verdict) for n in range(N_SHOWN + 3)]
    # one that is looked at isn't shown to others: it shall be none of these
    own = store.add(Listing("own", "Own"), verdict.model_copy(update={"category": "Toys"}))
    page.goto(f"{demo_url}?tab=review&item={own}&seems={KIND}")
    expect(page.locator("#review-item h2")).to_have_text("Own")
    grid = page.locator("#together-grid")
    boxes = grid.locator("input[type=checkbox]")
    expect(boxes).to_have_count(N_SHOWN)
    expect(page.locator("#together-seems input")).to_have_value(re.compile("Linked"))
    grid.get_by_role("button", name="Next").click()
    expect(boxes).to_have_count(3)
    expect(page).to_have_url(re.compile("from=2"))
    shown = grid.locator("label").first.inner_text()
    page.reload()
    expect(boxes).to_have_count(3)
    assert grid.locator("label").first.inner_text() == shown
    page.get_by_label("Their title contains").fill("linked 1")
    page.get_by_label("Their title contains").press("Enter")
    expect(boxes).to_have_count(11)
    expect(page).to_have_url(re.compile(r"words=linked\+1(&|$)"))
    assert "from=" not in page.url

    other = new_page()
    other.goto(page.url)
    expect(other.locator("#together-grid input[type=checkbox]")).to_have_count(11)
    other.locator("#together-grid").get_by_role("link", name="Link").first.click()
    expect(other.locator("#review-item h2")).to_have_text("Linked 1")
    expect(other).to_have_url(re.compile(f"item={ids[1]}(&|$)"))
    other.reload()
    expect(other.locator("#review-item h2")).to_have_text("Linked 1")
    for item_id in (*ids, own):  # other tests share the queue
        store.answer(item_id, "cant_tell", "link")
