"""The comparison as one still picture, for a README."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..core.reports import NEUTRAL
from .baselines import FUSION, arm_colour, arm_label
from .compare import EvaluationInput
from .curves import acceptance_curves, spread


def save_comparison(evaluation: EvaluationInput, metrics: dict[str, Any], path: Path) -> None:
    """Draw every arm's accuracy beside the coverage-precision curves.

    No pyplot: its figures are global state, which a server's threads would share.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_accuracy(left, metrics)
    _draw_curves(right, evaluation, metrics)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x" if axes is left else "y", alpha=0.25)
        axes.set_axisbelow(True)
    figure.savefig(path, dpi=160, format="png")


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
