import dataclasses
from collections.abc import Callable

import numpy as np
from rich.console import Console
from shelfsure.evaluation.compare import EvaluationInput, compare
from shelfsure.evaluation.tables import (
    category_table,
    comparison_table,
    confusion_counts,
    difference_text,
    fusion_effect,
    row_table,
)
from sklearn.metrics import confusion_matrix


def test_category_table_by_hand(by_hand: EvaluationInput) -> None:
    table = category_table(by_hand).set_index("category")
    assert list(table.columns) == [
        "n", "precision", "recall", "f1", "recall_image_only", "recall_title_only",
    ]  # fmt: skip
    assert list(table["n"]) == [2, 2, 1]
    np.testing.assert_allclose(table["precision"], [1, 2 / 3, 1])
    np.testing.assert_allclose(table["recall"], [1 / 2, 1, 1])
    np.testing.assert_allclose(table["recall_image_only"], [1, 0, 1])
    np.testing.assert_allclose(table["recall_title_only"], [1 / 2, 1 / 2, 1])


def test_category_table_has_no_number_where_there_is_nothing_to_divide_by(
    by_hand: EvaluationInput,
) -> None:
    renamed = dataclasses.replace(by_hand, categories=["Home > Rugs"] * 6)
    table = category_table(renamed).set_index("category")
    assert table["n"].sum() == 6
    assert np.isnan(table.loc["Toys > Kites", ["recall", "recall_image_only"]].astype(float)).all()


def test_row_table_shows_every_answer_but_none_for_a_missing_view(
    by_hand: EvaluationInput,
) -> None:
    table = row_table(by_hand).set_index("listing_id")
    assert table["title"].tolist() == list(by_hand.titles)
    assert table.loc["b", "fusion"] == "Home > Rugs"
    assert table.loc["b", "fusion_probability"] == 0.8
    assert table["title_only"].isna().tolist() == [False] * 4 + [True, False]
    assert table["title_only_probability"].isna().tolist() == [False] * 4 + [True, False]
    assert table.loc["f", "category"] == "Toys > Drones"
    assert table["accepted"].tolist() == by_hand.accepted.tolist()


def test_fusion_effect_by_hand(by_hand: EvaluationInput) -> None:
    broke, rescued = fusion_effect(by_hand)
    assert broke.tolist() == [False, True, False, False, False, False]
    assert rescued.tolist() == [False, False, False, True, False, False]


def test_fusion_effect_does_not_credit_a_prior(by_hand: EvaluationInput) -> None:
    # on "e" only the unanswered title's prior is right, while the photo is made wrong
    baselines = dict(by_hand.baselines)
    photo = baselines["image_only"].probabilities.copy()
    photo[4] = [0.8, 0.1, 0.1]
    baselines["image_only"] = dataclasses.replace(baselines["image_only"], probabilities=photo)
    _, rescued = fusion_effect(dataclasses.replace(by_hand, baselines=baselines))
    assert rescued[4]


def test_fusion_effect_needs_a_single_view(by_hand: EvaluationInput) -> None:
    alone = dataclasses.replace(by_hand, baselines={"fusion": by_hand.baselines["fusion"]})
    broke, rescued = fusion_effect(alone)
    assert not broke.any()
    assert not rescued.any()


def test_confusion_counts_by_hand(by_hand: EvaluationInput) -> None:
    assert confusion_counts(by_hand).tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]


def test_confusion_counts_agrees_with_scikit_learn(
    make_random: Callable[..., EvaluationInput],
) -> None:
    evaluation = make_random(n=150)
    reference = confusion_matrix(evaluation.labels, evaluation.predicted("fusion"))
    np.testing.assert_array_equal(confusion_counts(evaluation), reference)


def test_comparison_table_prints_each_arm_with_its_interval(by_hand: EvaluationInput) -> None:
    metrics = compare(by_hand)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(comparison_table(metrics))
    printed = capture.get()
    paired = metrics["paired"]["fusion_vs_image_only"]
    assert "Fusion" in printed
    assert f"+20.0 ({100 * paired['low']:+.1f} to {100 * paired['high']:+.1f})" in printed


def test_difference_text_is_in_points() -> None:
    paired = {"difference": 0.012, "low": -0.001, "high": 0.023}
    assert difference_text(paired) == "+1.2 (-0.1 to +2.3)"
    assert difference_text(None) == ""
