"""Judging on probabilities given by hand: who is accepted, who is refused, who takes over."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.accept_rule import AcceptRule, Rules
from shelfsure.fusion.views import View
from shelfsure.pipeline.decision import (
    N_NEIGHBOURS,
    SURE_ALONE,
    DecisionPolicy,
    Evidence,
    Predictions,
)
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import MISMATCH, Guess, Verdict
from shelfsure.retrieval.duplicates.verdict import DuplicatePair, PhotoFinding
from shelfsure.retrieval.index.store import Neighbour
from shelfsure.retrieval.result import RetrievalResult

NAMES = ("Home > Lamps", "Home > Rugs", "Toys > Kites")
BOTH, PHOTO, TITLE = frozenset({"photo", "title"}), frozenset({"photo"}), frozenset({"title"})
LAMP, RUG = [0.96, 0.03, 0.01], [0.03, 0.96, 0.01]
UNSEEN = ("Garden > Hammocks", 0.7)


def rules(*thresholds: float) -> tuple[AcceptRule, ...]:
    return tuple(AcceptRule(t, 0.97, 0.95, 0.5, 0.98, 100) for t in thresholds)


def judge(
    *thresholds: float, photo: float | None = None, title: float | None = None
) -> DecisionPolicy:
    """Accept what has both from these thresholds on, one a level; and each alone from another."""
    alone = {PHOTO: photo, TITLE: title}
    fitted = {key: rules(0.5, t) for key, t in alone.items() if t is not None}
    return DecisionPolicy(NAMES, Rules({BOTH: rules(*thresholds), **fitted}))


def says(
    fused: list[float],
    photo: list[float] = LAMP,
    title: list[float] = LAMP,
    present: frozenset[str] = BOTH,
) -> Predictions:
    alone = {"photo": np.array([photo]), "title": np.array([title])}
    return Predictions(np.array([fused]), alone, [present])


def weigh(policy: DecisionPolicy, predictions: Predictions, around: RetrievalResult) -> Verdict:
    """One listing's verdict, which must agree with its decision."""
    nothing = View(np.zeros((1, 1), np.float32), np.zeros(1, bool))
    embedded = EmbeddedListings.of_photos([Listing("1")], nothing, [None])
    evidence = Evidence(embedded, predictions, [around])
    verdict = policy.verdict(evidence, 0)
    assert policy.decisions(evidence) == [verdict.decision]
    return verdict


@pytest.mark.parametrize(
    ("fused", "accepted"), [([0.9, 0.06, 0.04], True), ([0.89, 0.07, 0.04], False)]
)
def test_accepts_from_the_rules_threshold_on(fused: list[float], accepted: bool) -> None:
    assert judge(0.5, 0.9).accepts(says(fused), 0) is accepted
    decision = weigh(judge(0.5, 0.9), says(fused), RetrievalResult()).decision
    assert decision == ("accept" if accepted else "review")


def test_accepts_nothing_without_a_rule_for_what_is_there() -> None:
    alone = says([1.0, 0.0, 0.0], present=PHOTO)
    assert not judge(0.5, 0.9).accepts(alone, 0)
    assert judge(0.5, 0.9, photo=0.9).accepts(alone, 0)


@pytest.mark.parametrize(
    ("photo", "title", "mismatch"),
    [
        (LAMP, RUG, True),
        (LAMP, LAMP, False),
        ([0.7, 0.2, 0.1], RUG, False),
        (LAMP, [0.2, 0.7, 0.1], False),
        ([SURE_ALONE, 0.1, 0.0], [0.1, SURE_ALONE, 0.0], True),
    ],
)
def test_mismatch_needs_two_sure_answers_that_differ(
    photo: list[float], title: list[float], mismatch: bool
) -> None:
    assert judge(0.5, 0.9).mismatch(says(LAMP, photo, title), 0) is mismatch


def test_mismatch_asks_each_modality_for_its_own_threshold() -> None:
    predictions = says(LAMP, [0.7, 0.2, 0.1], [0.2, 0.7, 0.1])
    assert judge(0.5, 0.9, photo=0.7, title=0.7).mismatch(predictions, 0)
    assert not judge(0.5, 0.9, photo=0.7, title=0.71).mismatch(predictions, 0)
    never = judge(0.5, 0.9, photo=2.0, title=2.0)  # no threshold kept the promise
    assert not never.mismatch(predictions, 0)
    assert never.mismatch(says(LAMP, LAMP, RUG), 0)


def test_mismatch_needs_photo_and_title() -> None:
    assert not judge(0.5, 0.9).mismatch(says(LAMP, LAMP, RUG, present=TITLE), 0)


@pytest.mark.parametrize(("p_value", "said"), [(0.02, True), (0.021, False), (float("nan"), False)])
def test_an_unlike_photo_is_a_reason_and_decides_nothing(p_value: float, said: bool) -> None:
    plain = weigh(judge(0.5, 0.9), says(LAMP), RetrievalResult())
    verdict = weigh(judge(0.5, 0.9), says(LAMP), RetrievalResult(pair_p_value=p_value))
    assert verdict.decision == plain.decision == "accept"
    more = [reason for reason in verdict.reasons if reason not in plain.reasons]
    assert ["less like the title" in reason for reason in more] == [True] * said
    sure_of_two = weigh(
        judge(0.5, 0.9), says(LAMP, LAMP, RUG), RetrievalResult(pair_p_value=p_value)
    )
    assert MISMATCH in sure_of_two.reasons
    assert not any("less like the title" in reason for reason in sure_of_two.reasons)


def test_a_mismatch_goes_to_review_however_sure_fusion_is() -> None:
    verdict = weigh(judge(0.5, 0.9), says(LAMP, LAMP, RUG), RetrievalResult())
    assert (verdict.decision, verdict.mismatch, verdict.category) == ("review", True, NAMES[0])
    assert MISMATCH in verdict.reasons
    assert not any("below" in reason for reason in verdict.reasons)  # 96 % isn't below 90 %


def test_a_refused_listing_is_out_of_catalogue_however_sure_fusion_is() -> None:
    around = RetrievalResult(p_value=0.0123456789, refused=True)
    verdict = weigh(judge(0.5, 0.9), says(LAMP), around)
    assert (verdict.decision, verdict.route) == ("out_of_catalogue", "fusion")
    assert (verdict.ood_p_value, verdict.sure_of) == (0.012346, None)
    assert "unlike the catalogue" in verdict.reasons[0]
    assert "1.2%" in verdict.reasons[0]
    assert not any("below" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(("probability", "takes"), [(0.5, True), (0.49, False)])
def test_an_untrained_category_takes_a_refused_listing_from_a_half_on(
    probability: float, takes: bool
) -> None:
    unseen = ("Garden > Hammocks", probability)
    verdict = weigh(judge(0.5, 0.9), says(LAMP), RetrievalResult(0.01, True, unseen))
    if takes:
        assert (verdict.decision, verdict.route) == ("review", "zero_shot")
        assert (verdict.category, verdict.probability) == ("Garden > Hammocks", 0.5)
        assert any("by its name alone, Garden > Hammocks" in r for r in verdict.reasons)
    else:
        assert (verdict.decision, verdict.route) == ("out_of_catalogue", "fusion")
        assert verdict.category == NAMES[0]
    assert verdict.top_k[0].category == NAMES[0]  # what was trained is named either way


@pytest.mark.parametrize(
    ("fused", "route"),
    [(LAMP, "fusion"), ([0.5, 0.3, 0.2], "fusion"), ([0.49, 0.31, 0.2], "zero_shot")],
)
def test_an_untrained_category_takes_an_ordinary_listing_only_where_fusion_is_lost(
    fused: list[float], route: str
) -> None:
    verdict = weigh(judge(0.5, 0.9), says(fused), RetrievalResult(0.8, False, UNSEEN))
    assert verdict.route == route
    assert verdict.decision == ("accept" if fused is LAMP else "review")


def test_an_accepted_answer_below_a_half_stays() -> None:
    verdict = weigh(judge(0.1, 0.4), says([0.45, 0.3, 0.25]), RetrievalResult(0.8, False, UNSEEN))
    assert (verdict.decision, verdict.route) == ("accept", "fusion")


@pytest.mark.parametrize(
    ("present", "route"), [(BOTH, "fusion"), (PHOTO, "image_only"), (TITLE, "text_only")]
)
def test_verdict_names_the_evidence(present: frozenset[str], route: str) -> None:
    verdict = weigh(judge(0.5, 0.9), says(LAMP, present=present), RetrievalResult())
    assert verdict.route == route
    assert set(verdict.views) == present
    assert (verdict.ood_p_value, verdict.neighbours, verdict.duplicates) == (None, (), ())


def test_verdict_is_sure_of_a_parent_only_for_review() -> None:
    unsure = says([0.5, 0.45, 0.05])
    plain = weigh(judge(0.9, 0.9), unsure, RetrievalResult())
    assert plain.sure_of == Guess(category="Home", probability=0.95)
    refused = weigh(judge(0.9, 0.9), unsure, RetrievalResult(0.01, True))
    by_name = weigh(judge(0.9, 0.9), unsure, RetrievalResult(0.01, True, UNSEEN))
    accepted = weigh(judge(0.9, 0.5), unsure, RetrievalResult())
    assert [v.decision for v in (refused, by_name, accepted)] == [
        "out_of_catalogue", "review", "accept",
    ]  # fmt: skip
    assert [v.sure_of for v in (refused, by_name, accepted)] == [None] * 3


def test_verdict_names_the_nearest_neighbours_and_every_duplicate() -> None:
    near = [Neighbour(str(i), 0.98765 - i / 10, f"title {i}", None, NAMES[0]) for i in range(9)]
    pair = DuplicatePair(
        Listing("\0000", "a lamp"), Listing("twin", "a lamp"), "same_product",
        PhotoFinding("copy", 0.99999, 0.97, 0.9), 1.0, (),
    )  # fmt: skip
    around = RetrievalResult(0.5, neighbours=near, duplicates=[pair])
    verdict = weigh(judge(0.5, 0.9), says(LAMP), around)
    assert [n.listing_id for n in verdict.neighbours] == ["0", "1", "2", "3", "4"]
    assert len(verdict.neighbours) == N_NEIGHBOURS
    assert verdict.neighbours[1].similarity == 0.8877
    assert verdict.neighbours[1].title == "title 1"
    (twin,) = verdict.duplicates
    assert (twin.listing_id, twin.verdict, twin.probability) == ("twin", "same_product", 1.0)
    assert twin.evidence == pair.evidence


def pair(verdict: Any, listing_id: str = "twin", titles: float | None = 1.0) -> DuplicatePair:
    found = PhotoFinding("copy", 0.996, 0.97, 0.9)
    return DuplicatePair(Listing("\0000"), Listing(listing_id), verdict, found, titles, ())


@pytest.mark.parametrize("verdict", ["same_photo", "same_product"])
@pytest.mark.parametrize("refused", [False, True])
def test_what_is_in_the_catalogue_already_is_never_accepted_and_never_a_stranger(
    verdict: str, refused: bool
) -> None:
    around = RetrievalResult(
        0.01, refused, UNSEEN, duplicates=[pair("variant", "v"), pair(verdict)]
    )
    judged = weigh(judge(0.5, 0.9), says(LAMP), around)
    assert (judged.decision, judged.route, judged.category) == ("review", "fusion", NAMES[0])
    assert judged.original == judged.duplicates[1]
    there, held, *_ = judged.reasons
    assert there == (
        "It is in the catalogue already, as twin: the photos agree in 90% of their detail."
    )
    assert held.startswith("That is why it isn't accepted, although its probability 96.0% reaches")


@pytest.mark.parametrize(
    "other", [pair("variant"), pair("different"), pair("same_photo", titles=0.2)]
)
def test_what_only_looks_like_a_catalogue_listing_is_accepted(other: DuplicatePair) -> None:
    verdict = weigh(judge(0.5, 0.9), says(LAMP), RetrievalResult(0.5, duplicates=[other]))
    assert (verdict.decision, verdict.original) == ("accept", None)
    assert not any("already" in reason for reason in verdict.reasons)
    refused = weigh(judge(0.5, 0.9), says(LAMP), RetrievalResult(0.01, True, duplicates=[other]))
    assert refused.decision == "out_of_catalogue"


def test_an_unsure_listing_that_is_there_already_gives_both_reasons() -> None:
    around = RetrievalResult(0.5, duplicates=[pair("same_product", titles=None)])
    verdict = weigh(judge(0.5, 0.9), says([0.6, 0.3, 0.1]), around)
    assert verdict.decision == "review"
    assert "already, as twin" in verdict.reasons[0]
    assert "60.0% is below 90.0%" in verdict.reasons[1]


def test_guesses_are_most_probable_first_and_ties_keep_the_columns_order() -> None:
    guesses = judge(0.5).guesses(np.array([0.3, 0.4, 0.3]), 2)
    assert [g.category for g in guesses] == [NAMES[1], NAMES[0]]


ROW = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3).map(
    lambda row: (np.array(row) / sum(row)).tolist()
)
THRESHOLD = st.sampled_from([0.3, 0.6, 0.9, 2.0])


@given(
    ROW, ROW, ROW, st.sampled_from([BOTH, PHOTO, TITLE]), THRESHOLD, THRESHOLD, st.booleans(),
    st.none() | st.floats(0.0, 1.0), st.booleans(),
)  # fmt: skip
def test_verdict_keeps_its_promises(
    fused: list[float],
    photo: list[float],
    title: list[float],
    present: frozenset[str],
    above: float,
    threshold: float,
    refused: bool,
    unseen: float | None,
    again: bool,
) -> None:
    judged = judge(above, threshold, photo=threshold)
    predictions = says(fused, photo, title, present)
    guess = None if unseen is None else ("Garden > Hammocks", unseen)
    copies = [pair("same_photo")] if again else []
    verdict = weigh(judged, predictions, RetrievalResult(0.01, refused, guess, (), copies))
    refused = refused and not again
    sure = present != TITLE and max(fused) >= threshold
    held = verdict.mismatch or refused or again
    assert (verdict.decision == "accept") == (sure and not held)
    assert any("already" in reason for reason in verdict.reasons) == again
    assert any("unlike the catalogue" in reason for reason in verdict.reasons) == refused
    assert (verdict.route == "zero_shot") == (verdict.category == "Garden > Hammocks")
    if verdict.route == "zero_shot":
        assert verdict.decision == "review"
        assert verdict.probability >= 0.5
    elif refused:
        assert verdict.decision == "out_of_catalogue"
    if verdict.sure_of:
        assert verdict.decision == "review"
        assert verdict.route != "zero_shot"
    assert {g.category for g in verdict.top_k} == set(NAMES)
    stated = any("reaches" in reason for reason in verdict.reasons)
    too_low = any("is below" in reason for reason in verdict.reasons)
    weighed = not refused and verdict.route != "zero_shot"  # else it isn't what decided
    assert stated == (sure and weighed)
    assert not (too_low and sure)  # the reasons never call a probability too low that isn't


def test_verdict_gives_the_categorys_id_back(tiny_trained: ListingPipeline) -> None:
    ids = {name: str(n) for n, name in enumerate(tiny_trained.class_names, start=100)}
    [said, other] = replace(tiny_trained, category_ids=ids).predict(
        [Listing("a", "lamp by Brand1"), Listing("b")], on_shift="ignore"
    )
    assert said.category_id == ids[said.category]
    assert (other.decision, other.category_id) == ("rejected", None)
    [plain] = tiny_trained.predict([Listing("a", "lamp by Brand1")], on_shift="ignore")
    assert plain == said.model_copy(update={"category_id": None})
