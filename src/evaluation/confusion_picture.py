"""Fusion's confusion matrix as a table and as a still picture, for MLflow's pages."""

from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..core.files import atomic_path
from .category_plots import categories_to_show, short_names
from .compare import EvaluationInput
from .tables import confusion_counts

MAX_DRAWN = 40
"""More categories than this can't be read in one picture; the table has them all."""


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
    FigureCanvasAgg(figure)
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
