import re
from html.parser import HTMLParser
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.pipeline.verdict import (
    Decision,
    Duplicate,
    Guess,
    NearListing,
    Route,
    Shift,
    Verdict,
)
from shelfsure.retrieval.index.records import Record
from shelfsure.serving.demo.html import (
    DECISIONS,
    ROUTES,
    asset,
    banner,
    bars,
    notice,
    ordinariness,
    similar_html,
    spoken,
    verdict_html,
)

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&{{7*7}}${7*7}'

SHIFT = Shift(p_value=2e-5, what="They look strange.")


class Reader(HTMLParser):
    """What a browser would see: the elements, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.text += " "
        if tag not in {"img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def verdict(text: str = "Home > Lamps", **fields: object) -> Verdict:
    guess = Guess(category=text, probability=0.875)
    return Verdict.model_validate(
        {
            "listing_id": text,
            "category": text,
            "probability": 0.875,
            "decision": "review",
            "route": "fusion",
            "top_k": (guess, Guess(category="Toys", probability=0.125)),
            "views": {"photo": guess, "title": Guess(category="Toys", probability=0.6)},
            "ood_p_value": 0.43,
            "neighbours": (
                NearListing(listing_id="n1", similarity=0.91, title=text, category=text),
            ),
            "duplicates": (
                Duplicate(listing_id="d1", verdict="variant", probability=0.99, evidence=text),
            ),
            "reasons": (text,),
        }
        | fields
    )


def everything(item: Verdict, text: str) -> str:
    records = {"d1": Record("d1", title=text, category=text)}
    return "".join(
        [
            spoken(item),
            verdict_html(item, note=text),
            similar_html(item, records, {}),
            bars(item.top_k, caption=text),
            notice(text, heading=text),
        ]
    )


@given(st.text())
def test_cards_show_any_text_as_text(text: str) -> None:
    plain = Reader(everything(verdict("A"), "A"))
    shown = Reader(everything(verdict("A", reasons=(text,)), text))
    assert shown.tags == plain.tags or not text  # an empty text leaves its element out
    assert not shown.open


def test_cards_hold_no_script_for_hostile_titles() -> None:
    seen = Reader(everything(verdict(HOSTILE), HOSTILE))
    assert "script" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert seen.text.count('<script>alert("x")</script>') >= 8


@pytest.mark.parametrize("decision", get_args(Decision))
def test_verdict_html_tells_each_decision_by_sign_and_word(decision: str) -> None:
    html = verdict_html(verdict(decision=decision))
    seen = Reader(html)
    assert DECISIONS[decision].name in seen.words
    assert DECISIONS[decision].sign in seen.words
    assert f"sf-{decision}" in html
    assert f".sf-{decision} " in asset("style.css")


def test_decisions_and_routes_have_words_for_every_value() -> None:
    assert set(DECISIONS) == set(get_args(Decision))
    assert set(ROUTES) == set(get_args(Route))
    assert len({words.sign for words in DECISIONS.values()}) == len(DECISIONS)


def test_verdict_html_says_category_probability_and_views() -> None:
    words = Reader(verdict_html(verdict())).words
    assert "87.5% probability, judged by photo and text together" in words
    assert re.search(r"Photo Home > Lamps ✓ agrees [\d.]+%", words)
    assert re.search(r"Title Toys ≠ differs 60.0%", words)
    assert "43% look at least as unusual" in words


def test_verdict_html_warns_of_mismatch_only_where_there_is_one() -> None:
    assert "don't match" in Reader(verdict_html(verdict(mismatch=True))).words
    assert "don't match" not in Reader(verdict_html(verdict())).words


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"decision": "review", "reasons": (SHIFT.reason, "It is sure.")}, SHIFT.reason),
        ({"decision": "review", "reasons": ("It is unsure.",)}, SHIFT.finding),
        ({"decision": "out_of_catalogue", "reasons": ("It is strange.",)}, SHIFT.finding),
        ({"decision": "accept", "reasons": ("It is sure.",)}, SHIFT.warning(held=False)),
    ],
)
def test_verdict_html_says_a_drift_once(fields: dict[str, object], said: str) -> None:
    html = verdict_html(verdict(shift=SHIFT, **fields))
    words = Reader(html).words
    assert html.count("sf-alert") == 1
    assert said in words
    assert words.count(SHIFT.what) == 1
    assert SHIFT.what not in Reader(verdict_html(verdict())).words


def test_verdict_html_leaves_it_to_the_reasons_that_it_is_there_already() -> None:
    copy = Duplicate(
        listing_id="d1", verdict="same_photo", probability=1, evidence="x", mergeable=True
    )
    reason = "It is in the catalogue already, as d1: x."
    html = verdict_html(verdict(duplicates=(copy,), reasons=(reason,)))
    assert Reader(html).words.count("in the catalogue already") == 1
    assert "sf-alert" not in html


def test_banner_shows_every_warning_loudly_and_nothing_without_one() -> None:
    seen = Reader(banner([HOSTILE, "The promise is broken."]))
    assert seen.tags.count("p") == 2
    assert "script" not in seen.tags
    assert ("role", "alert") in seen.attributes
    assert "!The promise is broken." in seen.words
    assert banner([]) == ""


def test_verdict_html_of_rejected_listing_gives_the_reason_alone() -> None:
    item = Verdict(listing_id="x", decision="rejected", reasons=("Upload again.",))
    words = Reader(verdict_html(item)).words
    assert "Upload again." in words
    assert "%" not in words


def test_similar_html_has_placeholder_where_photo_is_gone() -> None:
    photo = "data:image/jpeg;base64,AAAA"
    html = similar_html(verdict(), {}, {"n1": photo, "d1": None})
    assert html.count("<img") == 1
    assert html.count("no photo at hand") == 1


def test_similar_html_is_empty_without_anything_similar() -> None:
    assert not similar_html(verdict(neighbours=(), duplicates=()), {}, {}).strip()


@pytest.mark.parametrize(
    ("p_value", "said"),
    [(None, ""), (0.0, "fewer than 1%"), (0.05, "5% look"), (0.5, "Nothing unusual. Of")],
)
def test_ordinariness_says_p_value_in_words(p_value: float | None, said: str) -> None:
    assert said in ordinariness(p_value)
    assert bool(ordinariness(p_value)) == (p_value is not None)


def test_stylesheet_asks_for_nothing_from_elsewhere() -> None:
    assert not re.search(r"url\(|@import|https?:", asset("style.css"))


def test_stylesheet_names_every_class_that_cards_use() -> None:
    flagged = verdict(mismatch=True, neighbours=verdict().neighbours)
    html = everything(flagged, "x") + notice("x", kind="error") + banner(["x"])
    used = {name for value in re.findall(r'class="([^"]*)"', html) for name in value.split()}
    assert len(used) > 20
    structural = {"sf-copy", "sf-notice-hint", "sf-bar-label"}
    missing = {name for name in used - structural if f".{name}" not in asset("style.css")}
    assert not missing


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("scheme", "surface"), [(":root", "#ffffff"), (".dark", "#16202b")])
def test_stylesheet_tones_reach_aa_contrast(scheme: str, surface: str) -> None:
    block = re.search(re.escape(scheme) + r" \{(.*?)\}", asset("style.css"), re.DOTALL)
    assert block
    colours = dict(re.findall(r"--(sf-[\w-]+): (#[0-9a-f]{6})", block[1]))
    tones = [name for name in colours if f"{name}-wash" in colours]
    assert len(tones) == 4
    for tone in tones:
        for back in (surface, colours[f"{tone}-wash"]):
            light, dark = sorted(map(_luminance, (colours[tone], back)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (tone, back)
