"""Records and settings for Argilla 2, and the records of its `to_json` or `to_disk` back.

Field names as in argilla 2.8.0, whose `Settings.from_json` and `Record.from_dict` read what is
written here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .tasks import Read, Task, TaskError, foreign, item_id, item_name

QUESTION = "category"


def write(tasks: list[Task], choices: list[str], folder: Path) -> None:
    """Write ``records.json`` for `Dataset.records.from_json`, ``settings.json`` for `Settings`."""
    settings = {
        "guidelines": "Which category does this listing belong to?",
        "fields": [
            {"name": "title", "required": True, "settings": {"type": "text"}},
            {"name": "photo", "required": False, "settings": {"type": "image"}},
        ],
        "questions": [
            {
                "name": QUESTION,
                "required": True,
                "settings": {
                    "type": "label_selection",
                    "options": [{"value": each, "text": each} for each in choices],
                },
            }
        ],
        "metadata": [],
        "vectors": [],
        "allow_extra_metadata": True,
    }
    records = [_record(task, {*choices}) for task in tasks]
    for name, said in (("settings", settings), ("records", records)):
        (folder / f"{name}.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def read(said: Any) -> Iterator[Read | TaskError]:
    """Read records: of each that is completed, the responses.

    The export doesn't say which responses are drafts or discarded, so records that aren't
    completed are passed over.
    """
    if not isinstance(said, list):
        yield TaskError("file", f"An export must be a list of records, got {type(said).__name__}.")
        return
    for number, record in enumerate(said, start=1):
        where = f"record {number}"
        if not isinstance(record, dict) or not isinstance(record.get("responses"), dict):
            yield TaskError(where, "A record must have id and responses, as records.to_json does.")
            continue
        if record.get("status") != "completed":
            continue
        if (own := item_id(record.get("id"))) is None:
            yield foreign(where, record.get("id"))
            continue
        responses = record["responses"].get(QUESTION) or []
        for response in responses if isinstance(responses, list) else [responses]:
            yield _answer(where, own, response)


def _record(task: Task, choices: set[str]) -> dict[str, Any]:
    item, verdict = task.item, task.item.verdict
    photo = {"photo": task.photo} if task.photo else {}
    suggestion = {
        "value": verdict.category,
        "score": verdict.probability,
        "agent": verdict.model_version,
    }
    return {
        "id": item_name(item.item_id),
        "fields": {"title": task.title} | photo,
        "metadata": {"listing_id": item.listing.listing_id, "decision": verdict.decision},
        "suggestions": {QUESTION: suggestion} if verdict.category in choices else {},
        "responses": {},
        "vectors": {},
    }


def _answer(where: str, own: int, response: Any) -> Read | TaskError:
    if not isinstance(response, dict) or not isinstance(response.get("value"), str):
        return TaskError(where, f"A response to {QUESTION} must have a value, got {response!r}.")
    return Read(where, own, response["value"], str(response.get("user_id") or ""))
