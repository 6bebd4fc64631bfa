"""What adds up to an answer: parts exactly, words and regions in their parts' sums."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shelfsure.pipeline.account_details as account_details
from scipy.special import expit, logit
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.embedder import Embedder
from shelfsure.fusion.parts_game import log_odds
from shelfsure.pipeline.account import ANSWER, NOTHING, Account, PhotoRegions
from shelfsure.pipeline.explanation import account_listing, explain_listing
from shelfsure.pipeline.explanation_report import (
    account_html,
    bars,
    pieces,
    signed,
    write_explanation,
)
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.text.contributions import Word, WordContributions

P, T, D = "photo", "title", "description"


@pytest.fixture(scope="module")
def lamp(tiny_trained: ListingPipeline) -> Listing:
    found = next(x for x in tiny_trained.catalog.listings if x.category == "Home > Lamps")
    return replace(found, title="lamp by Brand2", description="A bulb for home use")


@pytest.fixture(scope="module")
def detailed(tiny_trained: ListingPipeline, lamp: Listing) -> Account:
    return account_listing(tiny_trained, lamp, details=True)


def test_account_listing_adds_up_to_the_verdicts_log_odds(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    [verdict] = tiny_trained.predict([lamp])
    account = account_listing(tiny_trained, lamp)
    assert account.category == verdict.category
    assert float(expit(account.answer_nats)) == pytest.approx(verdict.probability, abs=1e-5)
    total = account.prior_nats + sum(account.parts.values())
    assert total == pytest.approx(account.answer_nats, abs=1e-9)
    prior = tiny_trained.classifier.log_prior[tiny_trained.class_names.index(account.category)]
    assert account.prior_nats == pytest.approx(float(logit(np.exp(prior))), abs=1e-5)


def test_words_and_regions_add_up_to_their_parts(detailed: Account) -> None:
    for part, words in detailed.words.items():
        total = sum(word.nats for word in words.words)
        assert total == pytest.approx(detailed.parts[part], abs=1e-6)
        assert "".join(p.text for p in pieces(words)) == words.text
    assert detailed.regions is not None
    assert detailed.regions.nats.shape == (4, 4)
    assert detailed.regions.nats.sum() == pytest.approx(detailed.parts[P], abs=1e-6)
    table = detailed.table()
    whole = sum(float(row["nats"]) for row in table[:-1] if not row["what"])
    assert whole == pytest.approx(table[-1]["nats"], abs=1e-9)
    assert (table[0]["part"], table[-1]["part"]) == (NOTHING, ANSWER)
    assert len([row for row in table if row["part"] == P]) == 1 + 16


def test_words_values_are_owens_over_all_orders(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    """All orders in which the title's two words come one after the other, asked one by one."""
    pipeline, title = tiny_trained, ("kite", "lamp")
    listing = replace(lamp, title=" ".join(title))
    account = account_listing(pipeline, listing, "Home > Lamps", details=True)

    def odds(there: tuple[str, ...]) -> float:
        own = Listing(
            "x",
            " ".join(word for word in title if word in there) or None,
            listing.image if P in there else None,
            listing.description if D in there else None,
        )
        views = pipeline.views(pipeline.embedder.embed([own]))
        return float(log_odds(pipeline.classifier.log_probabilities(views), 0)[0])

    assert pipeline.class_names[0] == "Home > Lamps"
    found = dict.fromkeys(title, 0.0)
    for parts in permutations((P, T, D)):
        for inside in permutations(title):
            order = tuple(x for part in parts for x in (inside if part == T else (part,)))
            for word in title:
                before = order[: order.index(word)]
                found[word] += (odds((*before, word)) - odds(before)) / 12
    assert {w.text: w.nats for w in account.words[T].words} == pytest.approx(found, abs=1e-4)
    assert found["lamp"] > 0.3
    assert found["kite"] < 0


def test_regions_that_make_the_difference_get_it(
    tiny_trained: ListingPipeline, lamp: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that looks at the top left quarter alone: other regions add nothing."""
    fusion: Any = tiny_trained.classifier
    unsure = {name: replace(head, temperature=30.0) for name, head in fusion.heads.items()}
    pipeline = replace(tiny_trained, classifier=replace(fusion, heads=unsure))
    photos: Any = tiny_trained.embedder.photos
    encode = type(photos).encode

    def half_blind(self: Any, items: Any) -> Any:
        return encode(self, [np.pad(x[:4, :4], ((0, 4), (0, 4), (0, 0)), "edge") for x in items])

    monkeypatch.setattr(type(photos), "encode", half_blind)
    listing = replace(lamp, title=None, description=None)
    account = account_listing(pipeline, listing, details=True)
    assert account.regions is not None
    shown = account.regions.nats - account.regions.blurred_nats / account.regions.nats.size
    assert np.abs(shown[:2, :2]).max() > 0.01
    shown[:2, :2] = 0
    np.testing.assert_allclose(shown, 0, atol=1e-5)


def test_details_ask_no_more_than_they_promise(
    tiny_trained: ListingPipeline,
    lamp: Listing,
    fake_embedder: Callable[..., Embedder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account_details, "N_ASKED", {P: 60, T: 80, D: 20})
    embedder: Any = fake_embedder()
    pipeline = replace(tiny_trained, embedder=embedder)
    long = replace(lamp, title=" ".join(f"word{n}" for n in range(60)), description="a b c d e f g")
    account = account_listing(pipeline, long, details=True)
    assert embedder.photos.n_encoded <= 1 + 60
    assert len(embedder.texts.encoded) <= 2 + 80 + 20
    for part in (T, D):
        total = sum(word.nats for word in account.words[part].words)
        assert total == pytest.approx(account.parts[part], abs=1e-6)


def test_a_missing_part_is_no_player(tiny_trained: ListingPipeline, lamp: Listing) -> None:
    alone = account_listing(tiny_trained, Listing("1", title="a lamp"), details=True)
    assert set(alone.parts) == set(alone.words) == {T}
    assert (alone.regions, alone.photo_text_nats) == (None, None)
    photo = account_listing(tiny_trained, Listing("2", image=lamp.image), details=True)
    assert set(photo.parts) == {P}
    assert photo.words == {}


def test_photo_text_nats_is_both_less_each_alone() -> None:
    nats = {(P,): 1.0, (T,): 2.0, (P, T): -0.5, (D,): 4.0, (P, D): 0.25, (T, D): 8.0, (P, T, D): -3}
    account = Account("Lamps", -1.0, {frozenset(parts): float(n) for parts, n in nats.items()})
    assert account.photo_text_nats == -3.25
    assert account.answer_nats == -1 + sum(nats.values())
    assert account.parts == pytest.approx({P: -0.125, T: 4.75, D: 7.125})


def test_bars_are_steps_from_nothing_to_the_answer() -> None:
    nothing, photo, answer = bars(Account("Lamps", -2.0, {frozenset({P}): 6.0}))
    assert (nothing.left, nothing.width) == pytest.approx((0, 100 / 3))
    assert (photo.left, photo.width) == pytest.approx((0, 100))
    assert (answer.left, answer.width, answer.zero) == pytest.approx((100 / 3, 200 / 3, 100 / 3))
    assert [bar.total for bar in (nothing, photo, answer)] == [False, False, True]


def test_account_html_escapes_what_a_seller_wrote() -> None:
    hostile = "<script>alert(1)</script>"
    words = WordContributions(hostile, (Word("script", 1, 7, 1.5),))
    account = Account("<b>", 0.0, {frozenset({T}): 1.5}, {T: words})
    html = account_html(account)
    assert "<script>" not in html
    assert "<b>" not in html
    assert "+1.50" in html


def test_account_html_lays_the_regions_where_the_model_looks() -> None:
    from shelfsure.vision.regions import Box

    regions = PhotoRegions(np.array([[1.0, -0.5]]), 0.1, Box(0.25, 0, 0.75, 1))
    account = Account("Lamps", 0.0, {frozenset({P}): 0.5}, {}, regions)
    html = account_html(account, np.zeros((10, 20, 3), np.uint8))
    assert "left:25.00%;top:0.00%;width:50.00%;height:100.00%" in html
    assert html.count("<td") == 2
    assert signed(-0.5) in html


def test_write_explanation_is_a_page_that_asks_nobody(
    starter_trained: ListingPipeline, tmp_path: Path
) -> None:
    found = explain_listing(starter_trained, starter_trained.catalog.listings[0], details=True)
    regions = found.account.regions
    assert regions is not None
    assert regions.nats.sum() == pytest.approx(found.account.parts[P], abs=1e-3)
    write_explanation(found, tmp_path / "why.html", header={"bundle": "<shop>"})
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg') == 2, "the regions, and Grad-CAM's heat map"
    assert "http" not in page.replace("http-equiv", "")
    assert "&lt;shop&gt;" in page
