"""The report's charts about whole arms: accuracy, differences, certainty, auto-accept.

A chart is a plain plotly figure, ``{"data": [...], "layout": {...}}``. It carries no text colour:
the page sets that to fit its light or dark theme. Plotly reads HTML in labels, and names come from
catalogues: escape each one.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..core.reports import CLEAR, NEUTRAL, plotly_text
from .baselines import FUSION, SINGLE_VIEWS, arm_colour, arm_label
from .compare import EvaluationInput
from .metrics import CoveragePrecisionCurve, coverage_precision_curve, reliability_curve

Figure: TypeAlias = dict[str, Any]
MAX_POINTS = 400
"""Of a curve: more than an eye can tell apart."""
MIN_COVERAGE = 0.05
"""Below it, a precision is that of a handful of listings."""


def acceptance_curves(evaluation: EvaluationInput) -> dict[str, CoveragePrecisionCurve]:
    """Curve of fusion and of each single view, on all listings: unknown categories are errors."""
    curves = {}
    for arm in (FUSION, *SINGLE_VIEWS):
        if arm in evaluation.baselines:
            curve = coverage_precision_curve(evaluation.confidence(arm), evaluation.correct(arm))
            drawn = np.flatnonzero(curve.coverage >= MIN_COVERAGE)
            kept = drawn[np.unique(np.linspace(0, len(drawn) - 1, MAX_POINTS).astype(int))]
            curves[arm] = CoveragePrecisionCurve(
                curve.threshold[kept], curve.coverage[kept], curve.precision[kept]
            )
    return curves


def precision_by_coverage(evaluation: EvaluationInput) -> dict[int, float]:
    """Share right among the surest listings, by what share of all they are.

    Returns
    -------
    dict
        Coverage in whole percent, 5 to 100 -> fusion's precision, 0 to 1.
    """
    curve = acceptance_curves(evaluation)[FUSION]
    percents = np.floor(100 * curve.coverage + 1e-9).astype(int)
    return dict(zip(percents.tolist(), curve.precision.tolist(), strict=True))


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move labels' positions up until each is at least `gap` above the one below it."""
    moved = list(values)
    last = -np.inf
    for i in np.argsort(values, kind="stable"):
        last = max(moved[i], last + gap)
        moved[i] = last
    return moved


def accuracy_figure(metrics: dict[str, Any]) -> Figure:
    """Share right of every arm, with its interval."""
    rows = [(arm, m["top1"], m["top1_low"], m["top1_high"]) for arm, m in metrics["arms"].items()]
    return _interval_figure(rows, tickformat=".0%", text="{:.1%}")


def difference_figure(metrics: dict[str, Any]) -> Figure:
    """Fusion minus every other arm, in percentage points, with its paired interval."""
    rows = [
        (pair.removeprefix(f"{FUSION}_vs_"), 100 * p["difference"], 100 * p["low"], 100 * p["high"])
        for pair, p in metrics["paired"].items()
    ]
    chart = _interval_figure(rows, tickformat="", text="{:+.1f}")
    chart["layout"]["xaxis"]["rangemode"] = "tozero"
    chart["layout"]["shapes"] = [dotted_line(0, -0.5, 0, len(rows) - 0.5)]
    return chart


def reliability_figure(evaluation: EvaluationInput) -> Figure:
    """How often fusion is right against how sure it says it is; the diagonal is perfect."""
    known = evaluation.known
    curve = reliability_curve(
        evaluation.baselines[FUSION].probabilities[known], evaluation.labels[known]
    )
    colour = arm_colour(FUSION)
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": curve.confidence.tolist(),
        "y": curve.accuracy.tolist(),
        "text": curve.n.tolist(),
        "hovertemplate": "says %{x:.1%}, right %{y:.1%}<br>%{text} listings<extra></extra>",
        # the area shows how many listings a point stands for
        "marker": {
            "color": colour,
            "opacity": 0.85,
            "size": (4 + 24 * np.sqrt(curve.n / curve.n.max())).tolist(),
        },
    }
    share = {"tickformat": ".0%", "range": [0, 1.06], "dtick": 0.2}
    return figure(
        [points],
        height=380,
        xaxis=share | {"title": {"text": "stated certainty"}},
        yaxis=share | {"title": {"text": "share right"}},
        shapes=[dotted_line(0, 0, 1, 1)],
    )


def coverage_figure(evaluation: EvaluationInput, metrics: dict[str, Any]) -> Figure:
    """Precision against the share accepted, for each view; the target and today's point on it."""
    curves = acceptance_curves(evaluation)
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": arm_label(arm),
            "x": curve.coverage.tolist(),
            "y": curve.precision.tolist(),
            "customdata": curve.threshold.tolist(),
            "hovertemplate": "accept %{x:.1%}, %{y:.1%} right<br>at %{customdata:.3f} or surer",
            "line": {"color": arm_colour(arm), "width": 3 if arm == FUSION else 1.5},
        }
        for arm, curve in curves.items()
    ]
    accepted = metrics["accepted"]
    lowest = min(accepted["target_precision"], *(c.precision.min() for c in curves.values()))
    bottom = max(0.0, lowest - 0.03)
    if accepted["n"]:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "auto-accept",
                "x": [accepted["coverage"]],
                "y": [accepted["precision"]],
                "hovertemplate": "accepts %{x:.1%}, %{y:.1%} right",
                "marker": {"color": arm_colour(FUSION), "size": 13, "symbol": "diamond"},
            }
        )
    ends = spread([float(c.precision[-1]) for c in curves.values()], gap=(1 - bottom) / 15)
    labels = [
        note(arm_label(arm), 1.01, y, arm_colour(arm)) for arm, y in zip(curves, ends, strict=True)
    ]
    target = accepted["target_precision"]
    return figure(
        data,
        height=380,
        xaxis={"tickformat": ".0%", "range": [0, 1], "title": {"text": "share accepted"}},
        yaxis={"tickformat": ".0%", "range": [bottom, 1.005], "title": {"text": "share right"}},
        shapes=[dotted_line(0, target, 1, target)],
        annotations=[
            *labels,
            note(f"target {target:.1%}", 1, target, None)
            | {"xanchor": "right", "yanchor": "bottom"},
        ],
        margin={"l": 8, "r": 84, "t": 12, "b": 8},
    )


def figure(data: list[Figure], *, height: int, **layout: Any) -> Figure:
    """Traces and their layout on the report's common ground; `layout` needs both axes."""
    base = {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "showlegend": False,
    }
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"automargin": True, "fixedrange": True, "zeroline": False} | layout[axis]
    return {"data": data, "layout": base | layout}


def name_axis(names: list[str]) -> Figure:
    """Axis of positions 0, 1, ... with escaped names, so that two equal names stay apart."""
    return {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False, "ticks": ""}


def dotted_line(x0: float, y0: float, x1: float, y1: float) -> Figure:
    """Mark a reference: a target, zero, the diagonal."""
    line = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    return {"type": "line", "x0": x0, "y0": y0, "x1": x1, "y1": y1, "line": line}


def note(text: str, x: float, y: float, colour: str | None) -> Figure:
    """Write a label straight into a chart; `None` takes the page's text colour."""
    place = {"x": x, "y": y, "xref": "paper", "xanchor": "left", "showarrow": False}
    return place | {"text": plotly_text(text)} | ({"font": {"color": colour}} if colour else {})


def _interval_figure(
    rows: list[tuple[str, float, float, float]], *, tickformat: str, text: str
) -> Figure:
    """One dot with a whisker for each ``(arm, value, low, high)``, the first on top."""
    data = [
        {
            "type": "scatter",
            "mode": "markers+text",
            "x": [value],
            "y": [position],
            "text": [text.format(value)],
            "textposition": "top center",
            "cliponaxis": False,
            "hovertemplate": f"{text.format(low)} to {text.format(high)}<extra></extra>",
            "marker": {"color": arm_colour(arm), "size": 11},
            "error_x": {"array": [high - value], "arrayminus": [value - low], "width": 0},
        }
        for position, (arm, value, low, high) in enumerate(rows)
    ]
    names = [plotly_text(arm_label(arm)) for arm, *_ in rows]
    down = name_axis(names) | {"range": [len(rows) - 0.5, -0.7], "showgrid": False}
    return figure(data, height=70 + 52 * len(rows), xaxis={"tickformat": tickformat}, yaxis=down)
