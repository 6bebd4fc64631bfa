"""What the last finished retraining has left: what it was made from, and where its steps lie."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError
from ...core.files import parse_json, write_text
from .steps import STEP, STEPS

LATEST = "latest.json"


def write_latest(out: Path, done: Mapping[str, Any]) -> None:
    """Write down that a retraining is finished."""
    write_text(out / LATEST, json.dumps(done, indent=2))


def read_latest(out: Path) -> dict[str, Any]:
    """Read what `write_latest` wrote; empty if nothing was finished yet.

    Raises
    ------
    ConfigError
        If it is damaged, or the parts that it names are gone.
    """
    path = out / LATEST
    if not path.is_file():
        return {}
    try:
        found = dict(parse_json(path.read_bytes()))
        parts = out / STEPS / str(found["parts"])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{path} must say what the last retraining has done, but can't be read "
            f"({type(error).__name__}). Bring it back from a copy, or begin anew in another "
            "folder: `out`."
        ) from error
    if not (parts / STEP).is_file():
        raise ConfigError(
            f"{path} says which listings have been tested on, in {parts}, but that is gone. Bring "
            "it back, or begin anew in another folder: `out`."
        )
    return found
