import pytest
from shelfsure.evaluation.compare import EvaluationInput, compare
from shelfsure.evaluation.messages import headlines


def accepted(**numbers: float | None) -> dict[str, float | None]:
    return {"n": 100, "coverage": 0.5, "target_precision": 0.95, **numbers}


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"precision": 0.99, "precision_low": 0.96}, "The target of 95.0% is met ("),
        ({"precision": 0.96, "precision_low": 0.94}, "chance can't be ruled out"),
        ({"precision": 0.94, "precision_low": 0.91}, "is missed"),
        ({"n": 0, "coverage": 0.0, "precision": None, "precision_low": None}, "none is sure"),
    ],
)
def test_headlines_judge_auto_accept_by_its_lower_bound(
    by_hand: EvaluationInput, numbers: dict[str, float | None], words: str
) -> None:
    metrics = compare(by_hand) | {"accepted": accepted(**numbers)}
    assert words in headlines(metrics, 1, 1)[1].sentence


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.03, "is better"), (-0.03, -0.01, "is worse"), (-0.01, 0.01, "No clear difference")],
)
def test_headlines_call_a_gain_one_only_if_the_interval_says_so(
    by_hand: EvaluationInput, low: float, high: float, words: str
) -> None:
    metrics = compare(by_hand)
    metrics["arms"]["title_only"]["top1"] = 0.7
    metrics["paired"]["fusion_vs_title_only"] |= {"low": low, "high": high}
    sentence = headlines(metrics, 1, 1)[2].sentence
    assert "title only" in sentence  # the best view, not the first
    assert words in sentence


def test_headlines_without_single_views_make_no_comparison(by_hand: EvaluationInput) -> None:
    metrics = compare(by_hand)
    metrics["arms"] = {"fusion": metrics["arms"]["fusion"]}
    first, _ = headlines(metrics, 0, 0)
    assert first.number == "80.0%"
    assert "5 listings" in first.sentence
