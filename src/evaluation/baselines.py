"""The ways of deciding that an evaluation sets side by side: what each is called, how it's drawn.

An arm has one colour in every picture; each has a contrast of 3 or more on white and on near-black.
"""

from ..core.reports import NEUTRAL

FUSION = "fusion"
SINGLE_VIEWS = ("image_only", "title_only", "text_only")

_APPEARANCE = {
    FUSION: ("Fusion", "#2f7fe0"),
    "image_only": ("Photo only", "#d9660a"),
    "title_only": ("Title only", "#14936b"),
    "text_only": ("All text", "#a35bd0"),
    "knn": ("Nearest neighbours", "#b57d00"),
    "zero_shot": ("Zero-shot", "#d6457a"),
}


def arm_label(arm: str) -> str:
    """Name an arm for people; one that isn't known keeps its own name."""
    return _APPEARANCE[arm][0] if arm in _APPEARANCE else arm.replace("_", " ")


def arm_colour(arm: str) -> str:
    """Colour of an arm as ``#rrggbb``; grey for one that isn't known."""
    return _APPEARANCE[arm][1] if arm in _APPEARANCE else NEUTRAL
