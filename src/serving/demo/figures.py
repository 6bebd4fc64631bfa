"""Explanations as plotly figures: the photo with its heatmap, and the categories side by side."""

from typing import Any

import cv2
import numpy as np
import plotly.graph_objects as go
from PIL import Image

from ...catalog.listing import category_levels
from ...core.reports import CLEAR, GRID, NEUTRAL, jpeg_uri, plotly_text
from ...evaluation.baselines import FUSION, arm_colour
from ...fusion.views import DESCRIPTION, PHOTO, TITLE
from ...pipeline.explanation import FUSED, Explanation

HEAT_CELLS = 96
"""Cells along the heatmap's longer side; the browser smooths between them."""
OPACITIES = tuple(step / 5 for step in range(6))
STARTING_OPACITY = 0.6
_PLOT_PX = 300
_ROW_PX = 44
_HEAT = (
    (0.0, "rgba(13, 8, 135, 0)"),
    (0.3, "rgba(126, 3, 168, 0.55)"),
    (0.6, "rgba(224, 100, 98, 0.85)"),
    (1.0, "rgba(240, 249, 33, 1)"),
)
"""Plasma, clear where it is cold; it gets steadily brighter, so it can be read without colours."""
_MARKS = {
    PHOTO: ("Photo alone", "circle", arm_colour("image_only"), 0.12),
    TITLE: ("Title alone", "square", arm_colour("title_only"), 0.0),
    DESCRIPTION: ("Description alone", "diamond", arm_colour("text_only"), -0.12),
}
"""Of each part: its name, sign and colour, and how far it is drawn aside, so that none hides."""
_SAID = "%{customdata}<br>%{fullData.name}: %{x:.1%}<extra></extra>"


def heatmap_figure(explanation: Explanation) -> go.Figure | None:
    """Draw the photo with its heatmap, and a slider that fades it in the browser.

    None if there is no photo; a photo without a heatmap says why in its title.
    """
    photo, heatmap = explanation.photo, explanation.heatmap
    if photo is None:
        return None
    height, width = photo.shape[:2]
    source = jpeg_uri(Image.fromarray(photo), quality=88)
    figure = go.Figure(go.Image(source=source, hoverinfo="skip"))
    title = explanation.no_heatmap
    if heatmap is not None:
        title = f"Where the photo speaks for<br>{_name(explanation.category)}"
        figure.add_trace(_heat(heatmap))
        steps = [
            {"label": f"{o:.0%}", "method": "restyle", "args": [{"opacity": o}, [1]]}
            for o in OPACITIES
        ]
        slider = {"active": OPACITIES.index(STARTING_OPACITY), "steps": steps, "len": 1, "x": 0}
        said = {"prefix": "Heatmap opacity: ", "xanchor": "left"}
        figure.update_layout(sliders=[slider | {"currentvalue": said, "pad": {"t": 8, "b": 8}}])
    # sized for half a column, or a phone: the photo fills its width, unless that is too high
    high = min(max(_PLOT_PX * height / width, 160), 360)
    margin = {"t": 60, "b": 84, "l": 12, "r": 12}
    figure.update_layout(**_layout(title, margin), height=round(high) + 60 + 84)
    hidden = {"visible": False, "fixedrange": True}
    figure.update_xaxes(**hidden, range=[-0.5, width - 0.5], constrain="domain")
    figure.update_yaxes(**hidden, range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain")
    return figure


def probabilities_figure(explanation: Explanation) -> go.Figure:
    """Draw the best categories: bars for the fused answer, a mark for each part alone."""
    names = list(reversed(explanation.categories))  # plotly draws from below
    shared = {"customdata": [plotly_text(name) for name in names], "hovertemplate": _SAID}
    bars = go.Bar(
        x=explanation.probabilities[FUSED][::-1],
        y=list(range(len(names))),
        orientation="h",
        name="All together",
        marker_color=arm_colour(FUSION),
        **shared,
    )
    marks = []
    for part, (name, symbol, colour, aside) in _MARKS.items():
        if part in explanation.probabilities:
            edge = {"color": "white", "width": 1.5}
            trace = go.Scatter(
                x=explanation.probabilities[part][::-1],
                y=[row + aside for row in range(len(names))],
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 10, "line": edge},
                cliponaxis=False,
                **shared,
            )
            marks.append(trace)
    figure = go.Figure([bars, *marks])
    figure.update_layout(
        **_layout("What each part says", {"t": 48, "b": 96, "l": 18, "r": 26}),
        height=144 + _ROW_PX * len(names),
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0.01, "x": 0},
        bargap=0.55,
        annotations=[  # above its bar, a name has room on a phone, too
            {"text": label, "x": 0, "y": row + 0.45, "xanchor": "left", "showarrow": False}
            for row, label in enumerate(_labels(names))
        ],
    )
    zero = {"zerolinecolor": "rgba(125,133,144,0.6)", "gridcolor": GRID, "fixedrange": True}
    figure.update_xaxes(range=[0, 1], dtick=0.25, tickformat=".0%", **zero)
    figure.update_yaxes(visible=False, range=[-0.5, len(names) - 0.25], fixedrange=True)
    return figure


def _heat(heatmap: Any) -> go.Heatmap:
    """Draw percents, whole numbers to keep the page small."""
    height, width = heatmap.shape
    scale = min(1.0, HEAT_CELLS / max(height, width))
    cells = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(heatmap.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    dx, dy = width / cells[0], height / cells[1]
    return go.Heatmap(
        z=np.rint(small * 100).astype(np.uint8),
        x0=dx / 2 - 0.5,
        dx=dx,
        y0=dy / 2 - 0.5,
        dy=dy,
        zmin=0,
        zmax=100,
        zsmooth="best",
        colorscale=_HEAT,
        showscale=False,
        opacity=STARTING_OPACITY,
        hovertemplate="%{z}% of the strongest evidence<extra></extra>",
    )


def _layout(title: str, margin: dict[str, int]) -> dict[str, Any]:
    """Take the page's own background, so that it fits light and dark."""
    return {
        "title": {"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left", "pad": {"l": 12}},
        "margin": margin,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": NEUTRAL},
        "dragmode": False,
    }


def _labels(categories: list[str]) -> list[str]:
    """Shorten paths to their last level, unless two would then be the same."""
    short = [_name(category) for category in categories]
    return short if len(set(short)) == len(short) else [plotly_text(name) for name in categories]


def _name(category: str) -> str:
    return plotly_text(category_levels(category)[-1])
