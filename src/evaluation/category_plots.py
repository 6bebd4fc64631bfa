"""The report's charts about single categories: recall, and what is taken for what."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..core.arrays import Ints
from ..core.reports import plotly_text
from .baselines import FUSION, SINGLE_VIEWS, arm_colour, arm_label
from .plots import Figure, figure, name_axis

# steep at the start, where the mistakes are; see-through, to fit a light and a dark page
_SHADES = [
    [share, f"rgba(47,127,224,{opacity})"]
    for share, opacity in ((0, 0), (0.02, 0.15), (0.1, 0.35), (0.4, 0.6), (1, 0.85))
]


def category_figure(table: pd.DataFrame, shown: Ints) -> Figure:
    """Recall of each shown category that has listings: a bar for fusion, a dot for each view."""
    named = table.assign(name=short_names(list(table["category"])), recall_fusion=table["recall"])
    rows = named.iloc[shown]
    rows = rows[rows["n"] > 0].sort_values("recall", ascending=False, kind="stable")
    data: list[Figure] = []
    for arm in (FUSION, *SINGLE_VIEWS):
        if f"recall_{arm}" in rows:
            trace: Figure = {
                "name": arm_label(arm),
                "x": rows[f"recall_{arm}"].tolist(),
                "y": list(range(len(rows))),
                "hovertext": [plotly_text(name) for name in rows["category"]],
                "hovertemplate": "%{hovertext}<br>%{x:.1%}",
                "marker": {"color": arm_colour(arm)},
            }
            if arm == FUSION:
                trace |= {"type": "bar", "orientation": "h", "width": 0.62, "opacity": 0.45}
            else:
                trace |= {"type": "scatter", "mode": "markers"}
                trace["marker"]["size"] = 8
            data.append(trace)
    ticks = [f"{name} · {n}" for name, n in zip(rows["name"], rows["n"], strict=True)]
    return figure(
        data,
        height=80 + 24 * len(rows),
        xaxis={"tickformat": ".0%", "range": [0, 1.02], "side": "top"},
        yaxis=name_axis(ticks) | {"range": [-0.6, len(rows) - 0.4]},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.01, "yanchor": "top"},
    )


def confusion_figure(counts: Ints, class_names: Sequence[str], shown: Ints) -> Figure:
    """Share of each true category (row) that fusion puts into each category (column)."""
    n = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, n, out=np.zeros(counts.shape), where=n > 0)
    grid = np.ix_(shown, shown)
    short = short_names(class_names)
    names = [short[i] for i in shown]
    full = [plotly_text(class_names[i]) for i in shown]
    heatmap = {
        "type": "heatmap",
        "z": shares[grid].tolist(),
        "text": counts[grid].tolist(),
        "hovertext": [[f"{true} → {answer}" for answer in full] for true in full],
        "hovertemplate": "%{hovertext}<br>%{text} listings, %{z:.1%} of the true category"
        "<extra></extra>",
        "colorscale": _SHADES,
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    if len(shown) <= 12:
        heatmap["texttemplate"] = "%{text}"
    across = name_axis(names) | {"side": "top", "tickangle": -90, "fixedrange": False}
    down = name_axis(names) | {"autorange": "reversed", "fixedrange": False}
    return figure([heatmap], height=220 + 22 * len(shown), xaxis=across, yaxis=down)


def categories_to_show(counts: Ints, limit: int) -> Ints:
    """Columns of the `limit` categories in most mistakes, then the most frequent; in column order.

    Parameters
    ----------
    counts
        Shape ``(n_categories, n_categories)``, true by answered.
    """
    right = np.diag(counts)
    n_mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * right
    return np.sort(np.lexsort((-counts.sum(axis=1), -n_mistakes))[:limit])


def short_names(names: Sequence[str], width: int = 24) -> list[str]:
    """Cut category paths to their last level (or two, where one isn't unique), escaped."""
    paths = [name.split(" > ") for name in names]
    leaves = [path[-1] for path in paths]
    n_leaves = Counter(leaves)
    shown = []
    for path, leaf in zip(paths, leaves, strict=True):
        text = leaf if n_leaves[leaf] == 1 else " › ".join(path[-2:])
        cut = text if len(text) <= width else text[: width - 1].rstrip() + "…"
        shown.append(plotly_text(cut))
    return shown
