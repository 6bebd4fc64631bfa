"""Tasks for Label Studio, and its export (format JSON) back.

Field names as in label-studio-sdk 2.1.2, whose `LabelInterface` accepts what is written here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from .tasks import Read, Task, TaskError, foreign, item_id, item_name

LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio names a photo below its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""
CHOICE = "category"


def write(tasks: list[Task], choices: list[str], folder: Path) -> None:
    """Write ``tasks.json`` to import, and ``labeling_config.xml`` for the project's settings."""
    options = "\n".join(f"    <Choice value={quoteattr(each)}/>" for each in choices)
    config = f"""<View>
  <Text name="title" value="$title"/>
  <Image name="photo" value="$photo"/>
  <Choices name="{CHOICE}" toName="photo" choice="single-radio" required="true">
{options}
  </Choices>
</View>
"""
    (folder / "labeling_config.xml").write_text(config, encoding="utf-8")
    said = [_task(task, {*choices}) for task in tasks]
    (folder / "tasks.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def read(said: Any) -> Iterator[Read | TaskError]:
    """Read an export: of every annotation that wasn't skipped, its choice, oldest first."""
    if not isinstance(said, list):
        yield TaskError("file", f"An export must be a list of tasks, got {type(said).__name__}.")
        return
    for number, task in enumerate(said, start=1):
        where = f"task {number}"
        try:
            name = task["data"]["item"]
            answers = sorted(task["annotations"], key=lambda each: str(each.get("created_at")))
        except (TypeError, KeyError, AttributeError):
            yield TaskError(
                where, "A task must have data.item and annotations. Export in the format JSON."
            )
            continue
        if (own := item_id(name)) is None:
            yield foreign(where, name)
            continue
        for each in answers:
            if not each.get("was_cancelled"):
                yield _answer(where, own, each)


def _task(task: Task, choices: set[str]) -> dict[str, Any]:
    item, verdict = task.item, task.item.verdict
    said: dict[str, Any] = {
        "data": {
            "item": item_name(item.item_id),
            "listing_id": item.listing.listing_id,
            "title": task.title,
            "photo": LOCAL_FILES + quote(task.photo) if task.photo else "",
        },
    }
    if verdict.category in choices:
        choice = {
            "from_name": CHOICE,
            "to_name": "photo",
            "type": "choices",
            "value": {"choices": [verdict.category]},
        }
        said["predictions"] = [
            {
                "model_version": verdict.model_version,
                "score": verdict.probability,
                "result": [choice],
            }
        ]
    return said


def _answer(where: str, own: int, annotation: dict[str, Any]) -> Read | TaskError:
    try:
        [answer] = [
            choice
            for result in annotation["result"]
            if result["from_name"] == CHOICE
            for choice in result["value"]["choices"]
        ]
    except (TypeError, KeyError, ValueError):
        return TaskError(where, f"An annotation must have one choice named {CHOICE}.")
    by = annotation.get("completed_by")
    who = by.get("email") or by.get("id") if isinstance(by, dict) else by
    return Read(where, own, str(answer), "" if who is None else str(who))
