"""What `train` says of the joint space, kept or not."""

from typing import Any

import pytest
from shelfsure.cli.train import joint_space_line

RETRIEVAL = {"before": 0.294, "after": 0.667, "low": 0.3, "high": 0.4}
NAMES = {
    "left_out": {"before": 0.53, "after": 0.63, "low": 0.05, "high": 0.15},
    "known": {"before": 0.56, "after": 0.7, "low": 0.1, "high": 0.2},
}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "too few listings have both."),
        (
            {"n_pairs": 786, "kept": [], "retrieval": RETRIEVAL},
            "so photos and titles aren't aligned.",
        ),
        ({"n_pairs": 786, "kept": ["retrieval"], "retrieval": RETRIEVAL}, "29.4%) once aligned."),
        (
            {"n_pairs": 786, "kept": ["retrieval"], "retrieval": RETRIEVAL, **NAMES},
            "no gain, so names stay as they are.",
        ),
        (
            {"n_pairs": 786, "kept": ["retrieval", "names"], "retrieval": RETRIEVAL, **NAMES},
            "63.0% of the time (before: 53.0%), of known ones 70.0% of the time (before: 56.0%).",
        ),
    ],
)
def test_joint_space_line_says_what_was_gained_and_what_is_kept(
    facts: dict[str, Any], said: str
) -> None:
    assert joint_space_line(facts).endswith(said)
