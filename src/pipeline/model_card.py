"""The model card: a bundle's own README.md (Mitchell et al. 2019, "Model Cards")."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def model_card(
    class_names: Sequence[str], config: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    """Write the card as Markdown: data, classes, metrics, limits."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - this is Markdown; `plain` escapes what it would take amiss
    )
    environment.filters["plain"] = _plain
    optional = {"n_fold_encoders": 0, "n_in_encoder_train_set": 0}
    return environment.get_template("model_card.md.j2").render(
        class_names=class_names, config=config, facts=optional | dict(facts)
    )


def _plain(text: str) -> str:
    """Keep a category's name from being read as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" and c != ">" else c for c in text)
