import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from shelfsure.evaluation.compare import ArmPredictions, EvaluationInput, compare


def test_compare_counts_by_hand(by_hand: EvaluationInput) -> None:
    metrics = compare(by_hand)
    assert (metrics["n"], metrics["n_unknown_category"], metrics["levels"]) == (6, 1, 2)
    assert list(metrics["arms"]) == ["fusion", "image_only", "title_only"]
    assert metrics["arms"]["fusion"]["top1"] == pytest.approx(4 / 5)
    assert metrics["arms"]["image_only"]["top1"] == pytest.approx(3 / 5)
    # the prior answers for the missing title, and is right
    assert metrics["arms"]["title_only"]["top1"] == pytest.approx(3 / 5)
    assert metrics["arms"]["title_only"]["n_answered"] == 4
    assert metrics["arms"]["fusion"]["top5"] == 1.0
    assert metrics["arms"]["fusion"]["log_loss"] == pytest.approx(
        -np.log([0.9, 0.1, 0.9, 0.6, 0.9]).mean()
    )


def test_compare_pairs_fusion_with_every_other_arm(by_hand: EvaluationInput) -> None:
    paired = compare(by_hand)["paired"]
    assert list(paired) == ["fusion_vs_image_only", "fusion_vs_title_only"]
    against_photo = paired["fusion_vs_image_only"]
    assert against_photo["difference"] == pytest.approx(1 / 5)
    assert against_photo["low"] < 1 / 5 < against_photo["high"]
    # fusion alone is right on two listings, the photo alone on one
    assert against_photo["mcnemar_p"] == pytest.approx(1.0)


def test_compare_counts_an_accepted_unknown_category_as_a_mistake(
    by_hand: EvaluationInput,
) -> None:
    accepted = compare(by_hand)["accepted"]
    assert accepted["n"] == 4
    assert accepted["precision"] == pytest.approx(3 / 4)
    assert accepted["precision_low"] == pytest.approx(stats.beta.ppf(0.05, 3, 2))
    assert accepted["coverage"] == pytest.approx(4 / 6)
    assert accepted["target_precision"] == 0.9


def test_compare_has_null_where_nothing_is_accepted(by_hand: EvaluationInput) -> None:
    none = dataclasses.replace(by_hand, accepted=np.zeros(6, dtype=bool))
    accepted = json.loads(json.dumps(compare(none), allow_nan=False))["accepted"]
    assert accepted["precision"] is None
    assert accepted["precision_low"] is None
    assert accepted["coverage"] == 0


def test_compare_works_with_fusion_alone_one_listing_and_one_category() -> None:
    alone = EvaluationInput(
        listing_ids=["a"],
        titles=[""],
        categories=["Toys"],
        class_names=["Toys"],
        baselines={"fusion": ArmPredictions(np.ones((1, 1), np.float32), np.array([True]))},
        accepted=np.array([True]),
        levels=1,
        target_precision=1.0,
    )
    metrics = compare(alone)
    assert metrics["paired"] == {}
    assert metrics["arms"]["fusion"]["top1"] == 1.0
    assert metrics["arms"]["fusion"]["log_loss"] == 0.0


def test_compare_ignores_the_order_of_listings(
    make_random: Callable[..., EvaluationInput], rng: np.random.Generator
) -> None:
    straight = make_random()
    order = rng.permutation(len(straight.listing_ids))
    shuffled = dataclasses.replace(
        straight,
        categories=[straight.categories[i] for i in order],
        accepted=straight.accepted[order],
        baselines={
            name: ArmPredictions(arm.probabilities[order], arm.answered[order])
            for name, arm in straight.baselines.items()
        },
    )
    one, other = compare(straight), compare(shuffled)
    assert one["arms"]["fusion"] == pytest.approx(other["arms"]["fusion"])
    assert one["paired"] == other["paired"]
    assert one["accepted"] == other["accepted"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titles": ["one"]}, "one entry a listing, 6, but have 1 and 6"),
        ({"accepted": np.zeros(5, dtype=bool)}, r"shape \(6,\), but is bool of shape \(5,\)"),
        ({"accepted": np.zeros(6)}, "is float64"),
        ({"class_names": ["Toys", "Toys", "Rugs"]}, "'Toys'"),
        ({"class_names": ["Toys", "Rugs"]}, r"\(6, 2\), but has \(6, 3\)"),
        ({"categories": ["Toys"] * 6}, r"'Toys'.*model's 2 level"),
        ({"target_precision": 97}, "but is 97"),
        ({"baselines": {}}, r"'fusion', but holds \[\]"),
    ],
)
def test_evaluation_input_refuses_what_does_not_fit(
    by_hand: EvaluationInput, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(by_hand, **change)


@pytest.mark.parametrize("row", [[0.9, 0.9, 0.0], [1.5, -0.5, 0.0], [np.nan, 0.5, 0.5]])
def test_evaluation_input_refuses_rows_that_are_no_probabilities(
    by_hand: EvaluationInput, row: list[float]
) -> None:
    probabilities = by_hand.baselines["fusion"].probabilities.copy()
    probabilities[3] = row
    baselines = {"fusion": ArmPredictions(probabilities, np.ones(6, dtype=bool))}
    with pytest.raises(ValueError, match=r"arms\['fusion'\].*row 3"):
        dataclasses.replace(by_hand, baselines=baselines)
