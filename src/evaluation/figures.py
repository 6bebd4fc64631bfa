"""The parts that the report's charts share; a chart is a plain plotly figure.

That is ``{"data": [...], "layout": {...}}``. They carry no text colour: the page sets it to fit its
light or dark theme. Plotly reads HTML in labels, and names come from catalogues: escape each one.
"""

from typing import Any, TypeAlias

from ..core.reports import CLEAR, NEUTRAL, plotly_text

Figure: TypeAlias = dict[str, Any]


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
    annotation = {
        "text": plotly_text(text),
        "x": x,
        "y": y,
        "showarrow": False,
        "xanchor": "left",
        "xref": "paper",
    }
    return annotation | ({"font": {"color": colour}} if colour else {})
