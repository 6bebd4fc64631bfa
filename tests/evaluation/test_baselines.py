import re
from pathlib import Path

import numpy as np
from shelfsure.evaluation import baselines
from shelfsure.evaluation.baselines import SINGLE_VIEWS, arm_colour, arm_label


def test_arm_label_keeps_the_name_of_an_unknown_arm() -> None:
    assert arm_label("image_only") == "Photo only"
    assert arm_label("my_own_arm") == "my own arm"


def test_arm_colours_can_be_told_from_either_page() -> None:
    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(one: str, other: str) -> float:
        low, high = sorted([luminance(one), luminance(other)])
        return (high + 0.05) / (low + 0.05)

    style = (Path(baselines.__file__).parent / "report_style.html.j2").read_text()
    cards = re.findall(r"--card: (#[0-9a-f]{6})", style)
    assert len(cards) == 2
    names = ("fusion", *SINGLE_VIEWS, "knn", "zero_shot", "unheard_of")
    for card in cards:
        assert all(contrast(arm_colour(arm), card) >= 3 for arm in names)
    for name in ("ink", "quiet", "bad", "good"):
        colours = re.findall(rf"--{name}: (#[0-9a-f]{{6}})", style)
        assert len(colours) == 2
        assert all(contrast(c, card) >= 4.5 for c, card in zip(colours, cards, strict=True))
