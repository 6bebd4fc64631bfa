import json
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.evaluation import category_plots, plots
from shelfsure.evaluation.baselines import SINGLE_VIEWS, arm_colour, arm_label
from shelfsure.evaluation.compare import EvaluationInput, compare
from shelfsure.evaluation.plots import Figure, acceptance_curves, spread
from shelfsure.evaluation.tables import category_table, confusion_counts

EXTRA_ARMS = ("fusion", *SINGLE_VIEWS, "knn", "somebody_elses")


def all_figures(evaluation: EvaluationInput) -> dict[str, Figure]:
    metrics = compare(evaluation)
    counts = confusion_counts(evaluation)
    shown = category_plots.categories_to_show(counts, 40)
    return {
        "accuracy": plots.accuracy_figure(metrics),
        "difference": plots.difference_figure(metrics),
        "reliability": plots.reliability_figure(evaluation),
        "coverage": plots.coverage_figure(evaluation, metrics),
        "category": category_plots.category_figure(category_table(evaluation), shown),
        "confusion": category_plots.confusion_figure(counts, evaluation.class_names, shown),
    }


@pytest.mark.parametrize("baselines", [("fusion",), ("fusion", "title_only"), EXTRA_ARMS])
def test_figures_are_valid_plotly_and_strict_json(
    make_random: Callable[..., EvaluationInput], baselines: tuple[str, ...]
) -> None:
    for chart in all_figures(make_random(baselines=baselines)).values():
        go.Figure(chart)  # refuses any property that plotly doesn't have
        json.dumps(chart, allow_nan=False)


def test_figures_escape_what_plotly_would_read_as_html(
    make_random: Callable[..., EvaluationInput],
) -> None:
    hostile = ["Toys > <a href='javascript:x'>Kites</a>", "Toys > <b>Rugs</b>", "A & B"]
    written = json.dumps(all_figures(make_random(class_names=hostile)), ensure_ascii=False)
    assert "&lt;b&gt;Rugs" in written
    assert "<a" not in written
    assert "<b>" not in written


def test_figures_give_an_arm_one_colour_everywhere(
    make_random: Callable[..., EvaluationInput],
) -> None:
    figures = all_figures(make_random())
    for arm in SINGLE_VIEWS:
        curve = next(t for t in figures["coverage"]["data"] if t["name"] == arm_label(arm))
        dots = next(t for t in figures["category"]["data"] if t["name"] == arm_label(arm))
        assert curve["line"]["color"] == dots["marker"]["color"] == arm_colour(arm)


def test_difference_figure_shows_points_with_their_interval(by_hand: EvaluationInput) -> None:
    metrics = compare(by_hand)
    trace = plots.difference_figure(metrics)["data"][0]
    paired = metrics["paired"]["fusion_vs_image_only"]
    assert trace["x"][0] == pytest.approx(20.0)
    assert trace["x"][0] - trace["error_x"]["arrayminus"][0] == pytest.approx(100 * paired["low"])
    assert trace["x"][0] + trace["error_x"]["array"][0] == pytest.approx(100 * paired["high"])


def test_confusion_figure_shows_shares_of_the_whole_row() -> None:
    counts = np.array([[6, 1, 3], [0, 4, 0], [0, 0, 0]])
    shown = np.array([0, 1])
    heatmap = category_plots.confusion_figure(counts, ["a", "b", "c"], shown)["data"][0]
    assert heatmap["z"] == [[0.6, 0.1], [0.0, 1.0]]
    assert heatmap["text"] == [[6, 1], [0, 4]]


def test_categories_to_show_takes_the_most_confused_then_the_most_frequent() -> None:
    counts = np.diag([5, 50, 500, 5])
    counts[0, 3] = 9
    assert category_plots.categories_to_show(counts, 3).tolist() == [0, 2, 3]
    assert category_plots.categories_to_show(counts, 40).tolist() == [0, 1, 2, 3]


def test_category_figure_puts_the_worst_on_top_and_leaves_out_empty_ones(
    by_hand: EvaluationInput,
) -> None:
    table = category_table(by_hand)
    table.loc[2, "n"] = 0
    chart = category_plots.category_figure(table, np.arange(3))
    # plotly counts upwards
    assert chart["layout"]["yaxis"]["ticktext"] == ["Rugs · 2", "Lamps · 2"]
    assert chart["data"][0]["x"] == [1.0, 0.5]


def test_short_names_keep_the_last_level_or_two() -> None:
    names = ["Men > Shoes", "Women > Shoes", "Women > Bags", "Shoes <b>"]
    assert category_plots.short_names(names) == [
        "Men › Shoes", "Women › Shoes", "Bags", "Shoes &lt;b&gt;",
    ]  # fmt: skip
    assert category_plots.short_names(["Curtains & Accessories"], width=10) == ["Curtains…"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.2))
def test_spread_keeps_order_and_distance(values: list[float], gap: float) -> None:
    moved = np.array(spread(values, gap))
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(moved[order]) >= gap * (1 - 1e-9))
    assert np.all(moved >= values)


def test_acceptance_curves_end_at_all_listings_with_unknown_ones_as_mistakes(
    by_hand: EvaluationInput,
) -> None:
    curves = acceptance_curves(by_hand)
    assert list(curves) == ["fusion", "image_only", "title_only"]
    assert curves["fusion"].coverage[-1] == 1.0
    assert curves["fusion"].precision[-1] == pytest.approx(4 / 6)


def test_acceptance_curves_are_thinned_to_what_can_be_drawn(
    make_random: Callable[..., EvaluationInput],
) -> None:
    curve = acceptance_curves(make_random(n=5000))["fusion"]
    assert 300 < len(curve.coverage) <= 400
    assert curve.coverage[-1] == 1.0
    assert curve.coverage[0] >= 0.05
