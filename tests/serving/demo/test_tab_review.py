import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.verdict import Guess, Verdict
from shelfsure.serving.demo.tabs.review import Said, answer, item_html
from shelfsure.serving.demo.tabs.review_together import answer_ticked
from shelfsure.serving.review.store import ReviewStore

HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    " ${document.title='pwned'} {{value}}"
)


def verdict(category: str = "Home > Lamps", **fields: Any) -> Verdict:
    top = (Guess(category=category, probability=0.6), Guess(category="Toys", probability=0.4))
    known = {"listing_id": "x", "decision": "review", "mismatch": True, "category": category}
    return Verdict(**{**known, "probability": 0.6, "top_k": top, **fields})


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    return ReviewStore(tmp_path / "r.sqlite")


@pytest.fixture
def item(store: ReviewStore) -> int:
    return store.add(Listing("a", "A lamp"), verdict())


def test_answer_saves_and_goes_on_to_the_next(store: ReviewStore, item: int) -> None:
    asked = {"kind": "category", "category": "Home > Rugs", "item": str(item)}
    assert answer(store, asked, "ann", item) == (Said("Saved: Home > Rugs."), 0)
    for kind, said in {"not_sold": "Saved.", "cant_tell": "Saved.", "skip": "Skipped."}.items():
        assert answer(store, {"kind": kind, "item": item}, "ann", item) == (Said(said), 0)
    assert [given.kind for given in store.history()] == [
        "category",
        "not_sold",
        "cant_tell",
        "skip",
    ]


def test_answer_opens_and_undoes(store: ReviewStore, item: int) -> None:
    assert answer(store, {"kind": "open", "item": item}, "", 0) == (Said(), item)
    said, shown = answer(store, {"kind": "undo", "item": item}, "ann", 5)
    assert "nothing to undo" in said.trouble
    assert shown == 5
    store.label(item, "Home", "ann")
    assert answer(store, {"kind": "undo"}, "ann", 0) == (Said("Undone."), item)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"kind": "category", "item": 1},
        {"kind": "category", "item": 1, "category": ""},
        {"kind": "skip", "item": "no number"},
        {"kind": "skip", "item": [1]},
        {"kind": "skip", "item": 99},
        {"kind": "open", "item": 99},
        {"kind": "skip", "item": 10**30},
        {"kind": "delete", "item": 1},
        {"kind": ["skip"], "item": 1},
    ],
)
def test_answer_changes_nothing_for_nonsense(
    store: ReviewStore, item: int, asked: dict[str, Any]
) -> None:
    said, shown = answer(store, asked, "ann", item)
    assert shown == item
    assert said.done == ""
    assert store.history() == []


def test_answer_needs_a_name(store: ReviewStore, item: int) -> None:
    said, shown = answer(store, {"kind": "skip", "item": item}, " ", item)
    assert "must give a name" in said.trouble
    assert (shown, store.history()) == (item, [])


def test_item_html_shows_what_sellers_wrote_as_text(store: ReviewStore) -> None:
    hostile = verdict(HOSTILE)
    added = store.add(Listing(HOSTILE, HOSTILE, None, HOSTILE, HOSTILE, HOSTILE), hostile)
    for html in item_html(store.item(added), undoable=True):
        assert html
        assert "<script" not in html
        assert "<img" not in html


def test_item_html_shows_every_answer_and_a_key_for_the_zero_shot_category(
    store: ReviewStore, item: int
) -> None:
    store.label(item, "Home > Rugs", "ann")
    asked = {"kind": "not_sold", "item": item}
    said, _ = answer(store, asked, "ben", item)
    assert "none counts until one gives in" in said.done
    named = verdict(route="zero_shot", category="Garden > Hammocks", probability=0.7)
    store.add(Listing("a", "A lamp"), named.model_copy(update={"top_k": verdict().top_k}))
    listing, answers, _ = item_html(store.item(item), undoable=True)
    assert "ann answered" in listing
    assert "ben answered" in listing
    assert 'data-category="Garden &gt; Hammocks"' in answers
    assert 'data-key="z"' in answers
    assert (
        'data-key="z"'
        not in item_html(store.item(store.add(Listing("b", "b"), verdict())), undoable=True)[1]
    )


def test_item_html_of_nothing_says_so() -> None:
    listing, *rest = item_html(None, undoable=False)
    assert "Nothing waits" in listing
    assert rest == ["", ""]
    assert "undo" in item_html(None, undoable=True)[1]


def test_review_by_keys_and_clicks(
    demo_url: str,
    demo_folder: Path,
    drawn_shop: Path,
    page: Any,
    screenshot: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    from playwright.sync_api import expect

    store = ReviewStore(demo_folder)
    photo = drawn_shop / "photos/0.png"
    ids = {
        title: store.add(Listing(f"r-{place}", title, photo), verdict(model_version="v7"))
        for place, title in enumerate(["Lamp to review", HOSTILE, "Last to review"])
    }
    status = page.locator("#review-status")
    heading = page.locator("#review-item h2")

    def open_tab() -> None:
        page.get_by_role("tab", name="Review queue").click()
        expect(heading).to_be_visible()

    def choose(title: str) -> None:
        page.locator("#review-queue button", has_text=title).first.click()
        expect(heading).to_have_text(title)

    page.goto(demo_url)
    open_tab()
    page.get_by_text("What waits, the most useful first").click()
    choose("Lamp to review")
    page.keyboard.press("1")
    expect(status).to_contain_text("must give a name")
    assert store.item(ids["Lamp to review"]).answer is None

    name = page.get_by_label("Your name")
    name.press_sequentially("susu 1")
    assert store.history() == [], "keys don't fire while somebody types"
    expect(heading).to_have_text("Lamp to review")
    heading.click()
    page.wait_for_timeout(500)  # sooner, it would be a double click
    page.keyboard.press("1")
    expect(status).to_contain_text("Saved: Home > Lamps")
    given = store.item(ids["Lamp to review"]).answer
    assert given is not None
    assert (given.category, given.who) == ("Home > Lamps", "susu 1")
    assert given.verdict.model_version == "v7"
    expect(heading).not_to_have_text("Lamp to review")
    page.keyboard.press("u")
    expect(status).to_contain_text("Undone")
    expect(heading).to_have_text("Lamp to review")
    page.keyboard.press("2")
    expect(status).to_contain_text("Saved: Toys")

    choose(HOSTILE)
    assert "pwned" not in page.title()
    photo_shown = page.locator("#review-item img")
    expect(photo_shown).to_have_attribute("alt", f"Photo of {HOSTILE}")
    assert photo_shown.evaluate("image => image.naturalWidth") > 100
    screenshot(page, "review")
    page.get_by_role("button", name="Not for this catalogue").click()
    expect(status).to_contain_text("Saved.")
    given = store.item(ids[HOSTILE]).answer
    assert given is not None
    assert given.kind == "not_sold"

    page.reload()
    open_tab()
    expect(name).to_have_value("susu 1")
    page.get_by_text("What waits, the most useful first").click()
    choose("Last to review")
    own = page.locator("#review-category input")
    own.fill("Garden > Own idea")
    own.press("Enter")
    page.wait_for_timeout(500)  # the page takes a choice over a moment later
    page.get_by_role("button", name="Save this category").click()
    expect(status).to_contain_text("Saved: Garden > Own idea")

    page.get_by_role("button", name="Export the answers").click()
    with page.expect_download() as download:
        page.locator("#review-archive a[download]").first.click()
    download.value.save_as(tmp_path / "reviewed.zip")
    with zipfile.ZipFile(tmp_path / "reviewed.zip") as archive:
        archive.extractall(tmp_path)
    catalog = read_catalog(tmp_path / "reviewed/catalogue.csv", need_category=True)
    assert {"Toys", "Garden > Own idea"} <= {listing.category for listing in catalog.listings}
    [outside] = (tmp_path / "reviewed/outside").iterdir()
    assert outside.read_bytes() == photo.read_bytes()


def test_review_fits_a_phone_in_the_dark(
    demo_url: str,
    demo_folder: Path,
    new_page: Callable[..., Any],
    screenshot: Callable[[Any, str], None],
) -> None:
    from playwright.sync_api import expect

    store = ReviewStore(demo_folder)
    store.add(Listing("phone", "word " * 60 + "x" * 200), verdict("Home > " + "Lamp" * 40))
    phone = new_page(width=390, height=844, dark=True)
    phone.goto(demo_url)
    phone.get_by_role("tab", name="Review queue").click()
    expect(phone.locator("#review-answers button").first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(phone, "review-phone")


@pytest.mark.parametrize(
    "asked",
    [{}, {"kind": "category", "items": 5}, {"kind": "skip", "items": [1]}, {"kind": ["x"]},
     {"kind": "category", "items": ["x"], "category": "Toys"},
     {"kind": "category", "items": [10**30], "category": "Toys"},
     {"kind": "category", "items": [], "category": "Toys"},
     {"kind": "category", "items": [1], "category": "\x00"}],
)  # fmt: skip
def test_answer_ticked_changes_nothing_for_nonsense(
    store: ReviewStore, item: int, asked: dict[str, Any]
) -> None:
    assert answer_ticked(store, asked, "ann")[0] == ""
    assert store.item(item).answer is None


def test_several_are_answered_at_once(
    demo_url: str,
    demo_folder: Path,
    drawn_shop: Path,
    page: Any,
    screenshot: Callable[[Any, str], None],
) -> None:
    from playwright.sync_api import expect

    store = ReviewStore(demo_folder)
    kind = "Home > Together"
    photos = [drawn_shop / f"photos/{n}.png" for n in range(3)]
    titles = [f"Together {n}" for n in range(2)] + [HOSTILE + " together"]
    ids = [
        store.add(Listing(f"t-{n}", titles[n], photos[n]), verdict(kind, top_k=()))
        for n in range(3)
    ]
    page.goto(demo_url)
    page.get_by_role("tab", name="Review queue").click()
    page.get_by_text("Several at once").click()
    seems = page.locator("#together-seems input")
    seems.click()
    expect(page.get_by_role("option").first).to_contain_text(f"{kind} (3)")
    seems.press("ArrowDown")
    seems.press("Enter")
    grid = page.locator("#together-grid")
    expect(grid.locator("input[type=checkbox]")).to_have_count(3)
    assert "pwned" not in page.title()
    button = grid.get_by_role("button", name="ticked are: Home > Together")
    expect(button).to_be_disabled()
    grid.get_by_role("button", name="Tick all").click()
    grid.locator("label", has_text="Together 1").click()
    expect(button).to_have_text("The 2 ticked are: Home > Together")
    screenshot(page, "review-together")
    button.click()
    expect(grid.get_by_role("alert")).to_contain_text("must give a name")
    expect(button).to_have_text("The 2 ticked are: Home > Together")
    page.get_by_label("Your name").fill("tick")
    button.click()
    expect(grid.get_by_role("status")).to_contain_text("Saved 2 answers")
    expect(grid.locator("input[type=checkbox]")).to_have_count(1)
    given = [store.item(item_id).answer for item_id in ids]
    assert [own and own.category for own in given] == [kind, None, kind]
    page.locator("#review-item h2").click()
    page.keyboard.press("u")
    expect(page.locator("#review-status")).to_contain_text("Undone")
    assert [store.item(item_id).answer for item_id in ids] == [None, None, None]
    for item_id in ids:  # other tests share the queue
        store.answer(item_id, "cant_tell", "tick")
