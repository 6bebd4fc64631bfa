"""An evaluation as still pictures: the comparison for a README, confusion for MLflow's pages.

No pyplot: its figures are global state, which a server's threads would share.
"""

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..core.files import atomic_path
from ..core.reports import NEUTRAL
from .baselines import FUSION, arm_colour, arm_label
from .category_plots import categories_to_show, short_names
from .compare import EvaluationInput
from .plots import acceptance_curves, spread
from .tables import confusion_counts

MAX_DRAWN = 40
"""More categories than this can't be read in one picture; the table has them all."""


def save_comparison(evaluation: EvaluationInput, metrics: dict[str, Any], path: Path) -> None:
    """Draw every arm's accuracy beside the coverage-precision curves."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_accuracy(left, metrics)
    _draw_curves(right, evaluation, metrics)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x" if axes is left else "y", alpha=0.25)
        axes.set_axisbelow(True)
    figure.savefig(path, dpi=160, format="png")


def save_confusion(evaluation: EvaluationInput, folder: Path) -> None:
    """Write ``confusion.csv`` and ``confusion.png``; the picture has the largest categories."""
    names, counts = list(evaluation.class_names), confusion_counts(evaluation)
    with atomic_path(folder / "confusion.csv") as path:
        pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=names).to_csv(path)
    shown = categories_to_show(counts, MAX_DRAWN)
    drawn = counts[np.ix_(shown, shown)]
    labels = [unescape(short).replace("$", r"\$") for short in np.array(short_names(names))[shown]]
    side = 3 + 0.35 * len(shown)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(
        drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1
    )
    axes.set_xticks(range(len(shown)), labels, rotation=90)
    axes.set_yticks(range(len(shown)), labels)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    for row, column in zip(*np.nonzero(drawn), strict=True):
        share = drawn[row, column] / drawn[row].sum()
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, str(drawn[row, column]), ha="center", va="center", color=colour)
    with atomic_path(folder / "confusion.png") as path:
        figure.savefig(path, dpi=120, format="png")


def _draw_accuracy(axes: Axes, metrics: dict[str, Any]) -> None:
    baselines = list(metrics["arms"])
    for position, arm in enumerate(baselines):
        measured = metrics["arms"][arm]
        value, low, high = measured["top1"], measured["top1_low"], measured["top1_high"]
        colour = arm_colour(arm)
        axes.plot([low, high], [position, position], color=colour, linewidth=2)
        axes.plot([value], [position], "o", color=colour, markersize=8)
        axes.annotate(
            f"{value:.1%}", (value, position), (0, 8), textcoords="offset points", ha="center"
        )
    axes.set_yticks(range(len(baselines)), [arm_label(arm) for arm in baselines])
    axes.set_ylim(len(baselines) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Right category, with 95% interval", loc="left", fontsize=11)


def _draw_curves(axes: Axes, evaluation: EvaluationInput, metrics: dict[str, Any]) -> None:
    curves = acceptance_curves(evaluation)
    accepted = metrics["accepted"]
    target = accepted["target_precision"]
    for arm, curve in curves.items():
        width = 2.5 if arm == FUSION else 1.2
        axes.plot(curve.coverage, curve.precision, color=arm_colour(arm), linewidth=width)
    bottom, top = axes.get_ylim()
    ends = spread([float(c.precision[-1]) for c in curves.values()], gap=(top - bottom) / 16)
    for (arm, _), y in zip(curves.items(), ends, strict=True):
        axes.text(1.02, y, arm_label(arm), color=arm_colour(arm), va="center")
    axes.axhline(target, color=NEUTRAL, linewidth=1, linestyle=":")
    axes.text(0.99, target, f"target {target:.1%}", color=NEUTRAL, ha="right", va="bottom")
    if accepted["n"]:
        axes.plot(
            [accepted["coverage"]], [accepted["precision"]], "D", color=arm_colour(FUSION), zorder=5
        )
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("share accepted without review")
    axes.set_title("Share of the accepted that is right", loc="left", fontsize=11)
