import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from shelfsure.pipeline.account import Account
from shelfsure.pipeline.explanation import FUSED, Explanation
from shelfsure.serving.demo.figures import HEAT_CELLS, heatmap_figure, probabilities_figure
from shelfsure.text.contributions import WordContributions


@pytest.fixture
def explanation() -> Explanation:
    heatmap = np.zeros((60, 100), np.float32)
    heatmap[10:20, 80:90] = 1.0
    return Explanation(
        category="Home > Lamps",
        categories=("Home > Lamps", "Toys > <b onclick=x Kites & co"),
        probabilities={"photo": (0.7, 0.3), "title": (0.4, 0.6), FUSED: (0.8, 0.2)},
        account=Account("Home > Lamps", -0.7, {frozenset({"photo"}): 2.0}),
        title=WordContributions("", ()),
        description=WordContributions("", ()),
        photo=np.full((60, 100, 3), 120, np.uint8),
        heatmap=heatmap,
    )


def without_heatmap(explanation: Explanation, why: str) -> Explanation:
    return Explanation(**{**vars(explanation), "heatmap": None, "no_heatmap": why})


def test_heatmap_figure_lays_the_heat_where_it_is(explanation: Explanation) -> None:
    figure = heatmap_figure(explanation)
    assert figure is not None
    photo, heat = figure.data
    with Image.open(io.BytesIO(base64.b64decode(photo.source.split(",")[1]))) as shown:
        assert shown.size == (100, 60)
    values = np.asarray(heat.z)
    assert max(values.shape) == HEAT_CELLS
    row, column = (int(places.mean()) for places in np.nonzero(values > 90))
    assert heat.x0 + column * heat.dx == pytest.approx(84.5, abs=1)
    assert heat.y0 + row * heat.dy == pytest.approx(14.5, abs=1)
    assert heat.x0 - heat.dx / 2 == -0.5
    assert heat.x0 + (values.shape[1] - 0.5) * heat.dx == pytest.approx(99.5)


def test_heatmap_figure_has_a_slider_that_fades_the_heat_in_the_browser(
    explanation: Explanation,
) -> None:
    figure = heatmap_figure(explanation)
    assert figure is not None
    (slider,) = figure.layout.sliders
    steps = [(step.label, step.method, step.args) for step in slider.steps]
    assert steps[0] == ("0%", "restyle", ({"opacity": 0.0}, (1,)))
    assert steps[-1] == ("100%", "restyle", ({"opacity": 1.0}, (1,)))
    assert figure.data[1].opacity == steps[slider.active][2][0]["opacity"]
    assert "Lamps" in figure.layout.title.text


def test_heatmap_figure_says_why_there_is_no_heat(explanation: Explanation) -> None:
    figure = heatmap_figure(without_heatmap(explanation, "No map here."))
    assert figure is not None
    assert len(figure.data) == 1
    assert figure.layout.title.text == "No map here."
    assert heatmap_figure(Explanation(**{**vars(explanation), "photo": None})) is None


def test_heatmap_figure_stays_small(explanation: Explanation) -> None:
    noise = np.random.default_rng(0).random((480, 640))
    photo = np.zeros((480, 640, 3), np.uint8)
    figure = heatmap_figure(Explanation(**{**vars(explanation), "photo": photo, "heatmap": noise}))
    assert figure is not None
    assert len(figure.to_json()) < 60_000


def test_probabilities_figure_shows_every_part_beside_the_fused_answer(
    explanation: Explanation,
) -> None:
    figure = probabilities_figure(explanation)
    bars, *marks = figure.data
    assert list(bars.x) == [0.2, 0.8]  # the best one is drawn on top
    assert [note.text for note in figure.layout.annotations] == [
        "&lt;b onclick=x Kites &amp; co",
        "Lamps",
    ]
    assert {mark.name: list(mark.x) for mark in marks} == {
        "Photo alone": [0.3, 0.7],
        "Title alone": [0.6, 0.4],
    }
    assert len({mark.marker.symbol for mark in marks}) == len(marks)


def test_probabilities_figure_keeps_names_apart_that_end_alike(explanation: Explanation) -> None:
    names = ("Men > Shoes", "Women > Shoes")
    figure = probabilities_figure(Explanation(**{**vars(explanation), "categories": names}))
    assert [note.text for note in figure.layout.annotations] == [
        "Women &gt; Shoes",
        "Men &gt; Shoes",
    ]


def test_figures_are_the_same_every_time_and_hold_no_markup_of_others(
    explanation: Explanation,
) -> None:
    drawn = [probabilities_figure(explanation).to_json() for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "<b onclick" not in json.dumps(json.loads(drawn[0]))
