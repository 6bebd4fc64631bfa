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


def test_compare_without_groups_counts_listings(by_hand: EvaluationInput) -> None:
    metrics = compare(by_hand)
    assert (metrics["n_groups"], metrics["n_groups_known_category"]) == (6, 5)
    assert metrics["accepted"]["n_groups"] == 4
    alone = dataclasses.replace(by_hand, groups=np.array([5, 9, 2, 0, 1, 7]))
    assert compare(alone) == metrics


def test_compare_counts_groups_once(make_random: Callable[..., EvaluationInput]) -> None:
    once = make_random()
    rows = np.repeat(np.arange(200), 4)
    apart = dataclasses.replace(
        once,
        listing_ids=[f"id{i}" for i in range(800)],
        titles=[""] * 800,
        categories=[once.categories[row] for row in rows],
        accepted=once.accepted[rows],
        baselines={
            name: ArmPredictions(arm.probabilities[rows], arm.answered[rows])
            for name, arm in once.baselines.items()
        },
    )
    one, many = compare(once), compare(dataclasses.replace(apart, groups=rows))
    for arm, measured in one["arms"].items():
        shares = {name: value for name, value in measured.items() if name != "n_answered"}
        assert shares == pytest.approx({name: many["arms"][arm][name] for name in shares})
    for pair, paired in one["paired"].items():
        assert many["paired"][pair] == pytest.approx(paired, abs=0.015)
        assert many["paired"][pair]["mcnemar_p"] == paired["mcnemar_p"]
    assert many["accepted"] == pytest.approx(one["accepted"] | {"n": 4 * one["accepted"]["n"]})
    assert (many["n_groups"], many["n"]) == (200, 800)
    counted_apart = compare(apart)
    for pair, paired in counted_apart["paired"].items():
        width = many["paired"][pair]["high"] - many["paired"][pair]["low"]
        assert paired["high"] - paired["low"] < 0.6 * width
    accepted = counted_apart["accepted"]
    assert accepted["precision_low"] > many["accepted"]["precision_low"]
    assert accepted["precision_high"] < many["accepted"]["precision_high"]


def test_compare_bounds_the_precision_of_groups(rng: np.random.Generator) -> None:
    """Accepted groups are right or wrong as one: each bound holds in 95 % of draws."""
    n_above, n_below, n_draws = 0, 0, 200
    for _ in range(n_draws):
        groups = np.repeat(np.arange(100), rng.geometric(0.2, 100))
        right = (rng.random(100) < 0.9)[groups]
        probabilities = np.stack([right, ~right], axis=1).astype(float)
        metrics = compare(
            EvaluationInput(
                listing_ids=[str(row) for row in range(len(groups))],
                titles=[""] * len(groups),
                categories=["a"] * len(groups),
                class_names=["a", "b"],
                baselines={"fusion": ArmPredictions(probabilities, np.ones(len(groups), bool))},
                accepted=np.ones(len(groups), bool),
                levels=1,
                target_precision=0.9,
                groups=groups,
            )
        )["accepted"]
        n_above += metrics["precision_low"] > 0.9
        n_below += metrics["precision_high"] < 0.9
    assert n_above / n_draws <= 0.07
    assert n_below / n_draws <= 0.07


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
        ({"groups": np.arange(5)}, r"groups must have shape \(6,\), but has \(5,\)"),
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
