import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from shelfsure.catalog.listing import MAX_PHOTOS, Listing
from shelfsure.catalog.sample import read_records, unpack_sample
from shelfsure.core.errors import BundleError, ConfigError
from shelfsure.pipeline.starter import N_PER_CATEGORY
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.demo.examples import unpack_examples
from shelfsure.serving.demo.inputs import listing_of, photo_input
from shelfsure.serving.demo.tabs.check import judge
from shelfsure.serving.demo.tabs.explanation import hottest_place, text_parts
from shelfsure.serving.demo.tabs.own_labels import MAX_LABELS, sort_into
from shelfsure.serving.review.records import ReviewsFullError
from shelfsure.serving.service import QueueFullError
from shelfsure.text.contributions import Word, WordContributions

HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\"> mug"
)
NO_MEMORY = SimpleNamespace(retrieval=None)


class Reviews:
    def __init__(self, error: Exception | None = None) -> None:
        self.items: list[tuple[Listing, Verdict]] = []
        self.error = error

    def add(self, listing: Listing, verdict: Verdict) -> int:
        if self.error:
            raise self.error
        self.items.append((listing, verdict))
        return len(self.items)


def service(answer: Any) -> Any:
    def ask(listing: Listing, *, watched: bool) -> Verdict:
        assert not watched
        if isinstance(answer, Exception):
            raise answer
        return Verdict(listing_id=listing.listing_id, decision=answer, reasons=("Because.",))

    return SimpleNamespace(judge=ask, pipeline=NO_MEMORY)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A drawn mug as PNG with a note inside, which a re-encoding would lose."""
    image = Image.new("RGB", (300, 260), "white")
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((80, 60, 200, 220), 14, fill=(40, 90, 160))
    pen.ellipse((180, 90, 250, 180), outline=(40, 90, 160), width=16)
    image.save(tmp_path / "mug.png")
    return tmp_path / "mug.png"


def test_listing_of_keeps_bytes_and_gives_equal_ids(photo: Path) -> None:
    listing = listing_of(str(photo), " A mug ", "")
    assert listing.image == photo.read_bytes()
    assert (listing.title, listing.description) == ("A mug", None)
    assert listing == listing_of(str(photo), " A mug ", "")
    assert listing.listing_id != listing_of(None, " A mug ", "").listing_id
    assert listing.listing_id != listing_of(str(photo), "A mug", "x").listing_id


def test_listing_of_takes_further_photos_up_to_a_number(photo: Path, tmp_path: Path) -> None:
    more = [tmp_path / f"{n}.png" for n in range(MAX_PHOTOS + 5)]
    for n, path in enumerate(more):
        path.write_bytes(bytes([n]))
    paths = [str(path) for path in more]
    listing = listing_of(str(photo), more=[str(photo), *paths])
    assert listing.image == photo.read_bytes()
    assert listing.more_images == tuple(bytes([n]) for n in range(MAX_PHOTOS - 2))
    assert listing_of(None, more=paths[:2]) == listing_of(paths[0], more=[paths[1]])
    assert listing_of(paths[0]).listing_id != listing_of(paths[0], more=paths[1:2]).listing_id


def test_photo_input_hands_on_the_uploaded_file_unopened(tmp_path: Path) -> None:
    path = tmp_path / "no photo.png"
    path.write_bytes(b"not a photo")
    field = photo_input(label="Photo")
    assert field.preprocess(SimpleNamespace(path=str(path))) == str(path)
    assert field.preprocess(None) is None
    assert field.get_block_name() == "image"


def test_judge_queues_what_needs_review_and_says_so() -> None:
    reviews = Reviews()
    answer = judge(service("review"), reviews, Listing("a", title="mug"))
    assert [verdict.decision for _, verdict in reviews.items] == ["review"]
    assert answer.queued
    assert "in the review queue now" in answer.html


@pytest.mark.parametrize("decision", ["accept", "out_of_catalogue"])
def test_judge_queues_nothing_else(decision: str) -> None:
    reviews = Reviews()
    answer = judge(service(decision), reviews, Listing("a", title="mug"))
    assert not reviews.items
    assert not answer.queued
    assert answer.checked is not None  # so that it may be flagged


def test_judge_says_when_the_queue_is_full() -> None:
    answer = judge(service("review"), Reviews(ReviewsFullError("full")), Listing(title="mug"))
    assert "review queue is full" in answer.html
    assert not answer.queued


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (QueueFullError("full", 7), "Try again in 7 seconds"),
        (BundleError("/secret/place is broken"), "at the moment"),
    ],
)
def test_judge_turns_errors_into_words_without_paths(error: Exception, said: str) -> None:
    answer = judge(service(error), Reviews(), Listing(title="mug"))
    assert said in answer.html
    assert "/secret" not in answer.html
    assert answer.checked is None


def test_judge_asks_for_a_photo_or_title_first() -> None:
    assert "Add a photo" in judge(service(AssertionError("asked")), Reviews(), Listing()).html


def test_examples_outlive_the_deletion_of_uploads(start_process: Callable[..., Any]) -> None:
    # a process of its own, because Gradio leaves event loops open, which would be errors here
    program = """if True:
        from pathlib import Path
        import gradio as gr
        from gradio.route_utils import delete_files_created_by_app
        from shelfsure.serving.demo.tabs.check import CheckTab

        with gr.Blocks(analytics_enabled=False) as page:
            CheckTab(None, None)
        icons = [Path(b.icon["path"]) for b in page.blocks.values() if getattr(b, "icon", None)]
        delete_files_created_by_app(page, None)
        print([icon.is_file() for icon in icons])"""
    process = start_process(program)
    said = process.output.read()
    assert (process.wait(), said.splitlines()[-1]) == (0, "[True, True, True, True, True]"), said


def test_unpack_examples_are_what_their_buttons_say(tmp_path: Path) -> None:
    unpack_sample(tmp_path / "shop", n_per_category=N_PER_CATEGORY)
    rows = read_records(tmp_path / "shop" / "truth.csv")
    truth = {row["listing_id"]: row for row in rows}
    titles = {r["listing_id"]: r["title"] for r in read_records(tmp_path / "shop" / "uploads.csv")}
    examples = {example.name: example for example in unpack_examples(tmp_path)}
    assert len(examples) == 6
    photos = [example.photo.read_bytes() for example in examples.values() if example.photo]
    assert len(set(photos)) == 5

    def of(name: str) -> dict[str, str]:
        photo = examples[name].photo
        assert photo
        return truth[photo.stem]

    for name, category in (("A mug", "Mugs"), ("A vase", "Vases"), ("Mismatched", "Mugs")):
        assert (of(name)["kind"], of(name)["file"]) == ("listing", "uploads.csv")
        assert of(name)["category"].endswith(f"> {category}")
    copy = of("Listed already")
    assert copy["kind"] == "near_duplicate"
    assert copy["of_listing_id"] in truth  # the starter sells it
    assert examples["Listed already"].title == titles[copy["listing_id"]]
    assert examples["Not sold here"].photo == tmp_path / "car_21.jpg"
    assert examples["A title alone"].photo is None


def test_sort_into_refuses_what_cannot_be_sorted() -> None:
    with pytest.raises(ConfigError, match=r"got \['tent'\]"):
        sort_into(NO_MEMORY, Listing(title="x"), "tent")
    many = ",".join(str(n) for n in range(MAX_LABELS + 1))
    with pytest.raises(ConfigError, match=f"got {MAX_LABELS + 1}"):
        sort_into(NO_MEMORY, Listing(title="x"), many)


def check(page: Any, url: str, *, photo: Path | None = None, title: str = "") -> Any:
    page.goto(url)
    page.get_by_label("Title").fill(title)
    if photo:
        page.locator("#check-photo input[type=file]").set_input_files(photo)
        page.locator("#check-photo img").wait_for()
    page.get_by_role("button", name="Check this listing").click()
    card = page.locator("#check-verdict .sf-verdict")
    card.wait_for()
    return card


def test_page_gives_the_verdict_that_rest_gives(
    page: Any, demo_url: str, photo: Path, screenshot: Any
) -> None:
    card = check(page, demo_url, photo=photo, title="Blue ceramic coffee mug")
    answer = page.request.post(
        f"{demo_url}v1/verdict",
        multipart={
            "title": "Blue ceramic coffee mug",
            "photo": {"name": "mug.png", "mimeType": "image/png", "buffer": photo.read_bytes()},
        },
    )
    assert answer.ok, answer.text()
    verdict = json.loads(answer.body())
    assert f"{verdict['probability']:.1%}" in card.inner_text()
    assert verdict["category"].split(" > ")[-1] in card.locator("h2").inner_text()
    page.locator("#check-similar img").first.wait_for()
    page.locator("#why-heatmap .js-plotly-plot").wait_for()
    assert page.locator("#why-words .sf-word").count() >= 1
    screenshot(page, "check")


def test_page_says_what_further_photos_look_like(
    page: Any, demo_url: str, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "odd.png").write_bytes(b"no photo")
    Image.new("RGB", (300, 300), (40, 160, 60)).save(tmp_path / "green.png")
    page.goto(demo_url)
    page.get_by_text("More photos of it").click()
    files = page.locator("#check-more input[type=file]")
    files.set_input_files([tmp_path / "green.png", tmp_path / "odd.png"])
    page.locator("#check-more a[download]").nth(1).wait_for()
    page.locator("#check-photo input[type=file]").set_input_files(photo)
    page.locator("#check-photo img").wait_for()
    page.get_by_role("button", name="Check this listing").click()
    reasons = page.locator("#check-verdict .sf-reasons")
    reasons.get_by_text("of 1 further photo looks like").wait_for()
    reasons.get_by_text("Photo 3 can't be used").wait_for()
    assert str(tmp_path) not in reasons.inner_text()
    page.get_by_role("button", name="A mug").click()
    reasons.get_by_text("further photo").wait_for(state="detached")


def test_page_shows_hostile_title_as_text(page: Any, demo_url: str) -> None:
    check(page, demo_url, title=HOSTILE + " ${document.title='pwned'} {{this}}")
    page.locator("#why").wait_for()
    assert page.title() == "Shelfsure"


def test_page_says_what_is_wrong_with_a_photo(page: Any, demo_url: str, tmp_path: Path) -> None:
    broken = tmp_path / "photo.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"junk" * 100)
    page.goto(demo_url)
    page.locator("#check-photo input[type=file]").set_input_files(broken)
    card = page.locator("#check-verdict .sf-notice-error")  # at once, without pressing Check
    card.wait_for()
    words = card.inner_text()
    assert "This photo can't be used" in words
    page.locator("#check-photo img").wait_for(state="detached")
    assert str(tmp_path) not in words
    assert "/gradio" not in words
    assert "Traceback" not in words


def test_page_finds_what_was_seen_before(page: Any, demo_url: str, screenshot: Any) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="Listed already").click()
    copies = page.locator("#check-similar .sf-copies li")
    copies.first.wait_for()
    assert copies.first.locator("img").count() == 1
    assert "Why: the photos" in copies.first.inner_text()
    card = page.locator("#check-verdict .sf-review")
    assert "Please check" in card.inner_text()
    assert card.get_by_text("It is in the catalogue already, as").count() == 1
    assert "sold here" not in card.inner_text()
    screenshot(page, "check-seen-before")


def test_page_warns_when_photo_and_title_are_at_odds(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="Mismatched").click()
    page.locator("#check-verdict .sf-alert", has_text="don't match").wait_for()


def test_page_clears_the_verdict_when_another_photo_is_chosen(
    page: Any, demo_url: str, photo: Path
) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="A mug").click()
    page.locator("#why-heatmap .js-plotly-plot").wait_for()
    page.locator("#check-photo").get_by_label("Remove Image").click()
    page.locator("#check-verdict").get_by_text("The verdict appears here").wait_for()
    for part in ("#check-verdict .sf-verdict", "#check-similar section", "#why"):
        page.locator(part).wait_for(state="hidden")
    page.locator("#check-photo input[type=file]").set_input_files(photo)
    page.locator("#check-photo img").wait_for()
    page.get_by_role("button", name="Check this listing").click()
    page.locator("#why-heatmap .js-plotly-plot").wait_for()
    assert page.locator("#check-verdict .sf-verdict").count() == 1
    page.get_by_role("button", name="A vase").click()  # filled in by a button, it is judged at once
    page.locator("#check-verdict .sf-leaf", has_text="Decor").wait_for()


def test_page_shows_whole_photos_whatever_their_shape(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="A mug").click()
    page.locator("#check-similar img").first.wait_for()
    sizes = page.evaluate("""async () => {
        const image = document.querySelector('#check-similar .sf-photo img');
        const canvas = Object.assign(document.createElement('canvas'), {width: 90, height: 400});
        image.src = canvas.toDataURL();
        await image.decode();
        const box = image.parentElement.getBoundingClientRect();
        const own = image.getBoundingClientRect();
        return [box.height - box.width, box.bottom - own.bottom, own.top - box.top,
                getComputedStyle(image).objectFit];
    }""")
    assert abs(sizes[0]) < 1, "a photo's box is square"
    assert min(sizes[1:3]) >= 0, "a portrait lies inside its box"
    assert sizes[3] == "contain"


def test_explanation_shows_and_follows_the_listing(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="A title alone").click()
    page.locator("#why-words .sf-word").first.wait_for()
    assert not page.locator("#why-heatmap").is_visible()
    page.get_by_role("button", name="A mug").click()
    page.locator("#why-heatmap .js-plotly-plot .slider-container").wait_for()
    assert "Ceramic" in page.locator("#why-words .sf-words").first.inner_text()
    assert page.locator("#why-account .sf-account li").count() >= 4
    page.locator("#why-details").click()
    page.locator("#why-account .sf-regions td").first.wait_for(timeout=120_000)
    assert "Ceramic" in page.locator("#why-account .sf-piece").all_inner_texts()[0]


def test_text_parts_lose_nothing_and_mark_the_strong_words() -> None:
    words = (Word("red", 0, 3, 2.0), Word("the", 5, 8, -0.01), Word("mug", 9, 12, -1.0))
    parts = text_parts(WordContributions("red, the mug!", words))
    assert "".join(part.text for part in parts) == "red, the mug!"
    assert [(p.text, p.sign, p.strength) for p in parts if p.sign] == [
        ("red", 1, 1.0),
        ("mug", -1, 0.5),
    ]


def test_text_parts_mark_nothing_where_no_word_matters() -> None:
    words = (Word("red", 0, 3, 1e-4),)
    assert [part.sign for part in text_parts(WordContributions("red", words))] == [0]


@pytest.mark.parametrize(
    ("row", "column", "place"), [(0, 0, "top left"), (4, 5, "centre"), (8, 4, "bottom")]
)
def test_hottest_place_names_the_ninth(row: int, column: int, place: str) -> None:
    heat = np.zeros((9, 10))
    heat[row, column] = 1
    assert hottest_place(heat) == place
    assert hottest_place(heat * 0) is None


def test_example_gives_a_verdict_with_keyboard_alone(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    button = page.get_by_role("button", name="A vase")
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#check-verdict .sf-verdict").wait_for()
    assert page.get_by_label("Title").input_value()
    said = page.get_by_role("status").filter(has_text="%")
    assert said.count() == 1


def test_own_labels_sort_the_listing(page: Any, demo_url: str, photo: Path) -> None:
    check(page, demo_url, photo=photo, title="Coffee mug")
    page.get_by_role("button", name="Try your own categories").click()
    page.get_by_label("Categories, separated by commas").fill("tent, coffee mug, camp stove")
    page.get_by_role("button", name="Sort into these").click()
    bars = page.locator("#own-labels-result li")
    bars.first.wait_for()
    assert bars.count() == 3
    assert "coffee mug" in bars.first.inner_text()


def test_flagged_listing_goes_to_the_queue(page: Any, demo_url: str, demo_folder: Path) -> None:
    from shelfsure.serving.review.store import ReviewStore

    page.goto(demo_url)
    page.get_by_role("button", name="Not sold here").click()
    page.locator("#check-verdict .sf-verdict").wait_for()
    page.get_by_role("button", name="Flag for review").click()
    page.get_by_role("button", name="Flagged: it is in the review queue").wait_for()
    titles = {item.listing.title for item in ReviewStore(demo_folder).pending(1000)}
    assert "Family car, five doors, diesel" in titles
