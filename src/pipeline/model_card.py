"""The model card: a bundle's own README.md (Mitchell et al. 2019, "Model Cards")."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.reports import render


def model_card(
    class_names: Sequence[str], config: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    """Write the card as Markdown: data, classes, metrics, limits."""
    optional = {"n_fold_encoders": 0, "n_in_encoder_train_set": 0, "forecast": {}}
    optional |= {"grouping": {"source": "duplicates"}, "joint_space": {"kept": []}}
    given = {"class_names": class_names, "config": config, "facts": optional | dict(facts)}
    return render(Path(__file__).with_name("model_card.md.j2"), **given) + "\n"
