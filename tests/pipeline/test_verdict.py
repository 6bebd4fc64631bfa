import json

import pytest
from pydantic import ValidationError
from shelfsure.fusion.accept_rule import AcceptRule
from shelfsure.pipeline.reasons import explain
from shelfsure.pipeline.verdict import (
    MISMATCH,
    Duplicate,
    Guess,
    NearListing,
    Verdict,
)

CURTAINS = Guess(category="Home > Curtains", probability=0.912)
RUGS = Guess(category="Home > Rugs", probability=0.6)


def rule(threshold: float, target_precision: float = 0.97) -> AcceptRule:
    return AcceptRule(threshold, target_precision, 0.95, 0.8, 0.99, 400)


def test_verdict_survives_json() -> None:
    verdict = Verdict(
        listing_id="7", category=CURTAINS.category, probability=0.912, decision="review",
        route="fusion", top_k=(CURTAINS, RUGS), sure_of=Guess(category="Home", probability=0.99),
        views={"photo": RUGS}, reasons=("Because.",), model_version="shop-1",
        ood_p_value=0.4, neighbours=(NearListing(listing_id="8", similarity=0.9),), duplicates=(
            Duplicate(listing_id="9", verdict="variant", probability=0.8, evidence="other size"),
        ),
    )  # fmt: skip
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert json.loads(verdict.model_dump_json())["top_k"][1]["category"] == "Home > Rugs"


def test_verdict_cannot_be_changed_and_knows_its_decisions() -> None:
    verdict = Verdict(listing_id="7", decision="rejected")
    with pytest.raises(ValidationError, match="frozen"):
        verdict.decision = "accept"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="'maybe'"):
        Verdict(listing_id="7", decision="maybe")  # type: ignore[arg-type]


def test_verdict_of_a_rejected_listing_needs_no_category() -> None:
    verdict = Verdict.rejected("7", "No photo.", "shop-1")
    assert (verdict.decision, verdict.reasons) == ("rejected", ("No photo.",))
    assert (verdict.listing_id, verdict.model_version) == ("7", "shop-1")
    assert (verdict.category, verdict.route, verdict.top_k, verdict.views) == (None, None, (), {})


@pytest.mark.parametrize(("target", "said"), [(0.97, "97%"), (0.975, "97.5%"), (0.07, "7%")])
def test_explain_names_the_cut_off_and_the_promise_as_it_was_given(
    target: float, said: str
) -> None:
    (reason,) = explain(CURTAINS, CURTAINS, {}, [rule(2.0), rule(0.9, target)], sure=True)
    assert "91.2% reaches the cut-off of 90.0%" in reason
    assert f"at least {said} of answers" in reason


def test_explain_says_what_is_missing_and_what_is_sure() -> None:
    home = Guess(category="Home", probability=0.9931)
    rules = [rule(0.9), rule(0.95)]
    missing, sure = explain(CURTAINS, CURTAINS, {}, rules, sure=False, sure_of=home)
    assert "91.2% is below 95.0%" in missing
    assert sure == "Sure of Home (99.3%)."


@pytest.mark.parametrize("rules", [[], [rule(0.9), rule(2.0)]])
def test_explain_says_where_no_cut_off_keeps_the_promise(rules: list[AcceptRule]) -> None:
    (reason,) = explain(CURTAINS, CURTAINS, {}, rules, sure=False)
    assert "no cut-off keeps the precision" in reason


def test_explain_tells_which_modalities_say_otherwise() -> None:
    views = {"photo": RUGS, "title": CURTAINS, "description": RUGS}
    *_, last = explain(CURTAINS, CURTAINS, views, [rule(0.9)], sure=True)
    assert last == (
        "The photo alone says Home > Rugs (60.0%); the description alone says Home > Rugs (60.0%)."
    )
    agreed = explain(CURTAINS, CURTAINS, {"title": CURTAINS}, [rule(0.9)], sure=True)
    assert len(agreed) == 1


def test_explain_gives_a_mismatch_as_the_reason_against_a_probability_that_would_do() -> None:
    mismatch, cut_off = explain(CURTAINS, CURTAINS, {}, [rule(0.9)], sure=True, mismatch=True)
    assert mismatch == MISMATCH
    assert cut_off.startswith("That is why it isn't accepted, although its probability 91.2%")
    _, below = explain(RUGS, RUGS, {}, [rule(0.9)], sure=False, mismatch=True)
    assert "60.0% is below 90.0%" in below


@pytest.mark.parametrize(("p_value", "said"), [(0.004, "only 0.4%"), (0.0, "fewer than 0.1%")])
@pytest.mark.parametrize("sure", [True, False])
def test_explain_does_not_weigh_the_probability_of_a_stranger(
    p_value: float, said: str, sure: bool
) -> None:
    views = {"photo": RUGS}
    reasons = explain(CURTAINS, CURTAINS, views, [rule(0.9)], sure=sure, strange=p_value)
    strange, after_all = reasons
    assert f"unlike the catalogue: of its own listings {said} are as strange" in strange
    assert "after all, it is most likely Home > Curtains (91.2%)" in after_all


def test_explain_says_that_a_name_alone_is_never_accepted() -> None:
    *_, by_name = explain(CURTAINS, RUGS, {"photo": RUGS}, [rule(0.9)], sure=False)
    assert "by its name alone, Home > Curtains does (91.2%)" in by_name
    assert "always needs a look" in by_name
