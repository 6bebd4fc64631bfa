"""Accuracy against speed as one still picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .records import ARM_NAMES, Row

FACES = {"frozen": "white", "finetuned": None}
GREY = "#555555"


def save_picture(rows: Sequence[Row], path: Path) -> None:
    """Draw each backbone's top-1 against its images/s, frozen hollow and fine-tuned filled.

    No pyplot: its figures are global state. Rows without both numbers aren't drawn.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = list(dict.fromkeys(row.backbone for row in rows))
    drawn = [
        (row, row.images_per_s, row.top1)
        for row in rows
        if row.images_per_s is not None and row.top1 is not None
    ]
    for row, speed, top1 in drawn:
        colour = f"C{names.index(row.backbone) % 10}"
        axes.errorbar(
            [speed],
            [top1],
            yerr=None if row.top1_sd is None else [row.top1_sd],
            marker="o",
            markersize=8,
            color=colour,
            markerfacecolor=FACES[row.arm] or colour,
            capsize=4,
        )
    for name in dict.fromkeys(row.backbone for row, _, _ in drawn):
        points = [(speed, top1) for row, speed, top1 in drawn if row.backbone == name]
        axes.plot(*zip(*points, strict=True), color=GREY, linewidth=1, linestyle=":", zorder=1)
        x, y = max(points)
        text = name.replace("$", r"\$")
        axes.annotate(text, (x, y), (0, 12), textcoords="offset points", fontsize=9, ha="center")
    for arm in dict.fromkeys(row.arm for row, _, _ in drawn):
        axes.plot([], [], "o", color=GREY, markerfacecolor=FACES[arm] or GREY, label=ARM_NAMES[arm])
    if drawn:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.legend(loc="lower right", frameon=False)
        axes.margins(x=0.25, y=0.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("images per second, embedding only (log scale)")
    axes.set_title(
        "Right category; bars are one standard deviation over seeds", loc="left", fontsize=11
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    figure.savefig(path, dpi=140, format="png")
