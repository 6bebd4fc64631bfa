"""Photos and labels for FiftyOne (`fo.types.FiftyOneImageClassificationDataset`), and back.

Field names as in fiftyone 1.22.1. It shows photos, so listings without one are left out.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .tasks import Read, Task, TaskError, foreign, item_id, item_name


def write(tasks: list[Task], choices: list[str], folder: Path) -> None:
    """Write ``labels.json`` beside ``data/`` with nothing answered yet, and ``predictions.json``.

    The model's answers are apart, or what nobody has looked at would come back as an answer.
    """
    column = {name: place for place, name in enumerate(choices)}
    shown = [task for task in tasks if task.photo]
    answers: dict[str, Any] = {item_name(task.item.item_id): None for task in shown}
    predictions = answers | {
        item_name(task.item.item_id): {
            "label": column[task.item.verdict.category],
            "confidence": task.item.verdict.probability,
            "attributes": {"title": task.title, "listing_id": task.item.listing.listing_id},
        }
        for task in shown
        if task.item.verdict.category in column
    }
    for name, labels in (("labels", answers), ("predictions", predictions)):
        said = {"classes": choices, "labels": labels}
        (folder / f"{name}.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def read(said: Any) -> Iterator[Read | TaskError]:
    """Read an exported ``labels.json``: a label, by name or by its place in ``classes``."""
    if not isinstance(said, dict) or not isinstance(said.get("labels"), dict):
        yield TaskError("file", "An export must have labels, as FiftyOne writes labels.json.")
        return
    classes = said.get("classes")
    for name, label in said["labels"].items():
        if (own := item_id(Path(name).stem)) is None:
            yield foreign(name, name)
            continue
        if label is None:  # nobody has said anything
            continue
        value = label.get("label") if isinstance(label, dict) else label
        if isinstance(value, int) and isinstance(classes, list) and 0 <= value < len(classes):
            value = classes[value]
        if isinstance(value, str):
            yield Read(name, own, value)
        else:
            yield TaskError(
                name, f"A label must be a class or its place in classes, got {value!r}."
            )
