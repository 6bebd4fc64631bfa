"""The queue in the formats of other tools, and answers as those tools export them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError
from shelfsure.pipeline.verdict import Guess, Verdict
from shelfsure.serving.review.exchange import TOOLS, export_tasks, import_answers
from shelfsure.serving.review.records import ReviewError
from shelfsure.serving.review.store import ReviewStore

ODD = 'Home > Rugs & "mats" <3'


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    """Item 1 has a photo and a title, 2 a title, 3 a photo."""
    store = ReviewStore(tmp_path / "r.sqlite")
    for number, (title, colour) in enumerate(
        [("lamp", "red"), ("rug, 2 m", None), (None, "blue")], start=1
    ):
        photo = tmp_path / f"{colour}.png"
        if colour:
            Image.new("RGB", (9, 9), colour).save(photo)
        top = (
            Guess(category="Home > Lamps", probability=0.6),
            Guess(category=ODD, probability=0.3),
        )
        said = Verdict(
            listing_id=f"s{number}",
            decision="review",
            category=top[0].category,
            probability=0.6,
            top_k=top,
            model_version="m1",
        )
        store.add(Listing(f"s{number}", title, photo if colour else None), said)
    return store


def exported(store: ReviewStore, tool: str, out: Path) -> Path:
    assert export_tasks(store, tool, out, ["Toys"]) == 3
    return out


def answers(store: ReviewStore) -> dict[int, tuple[Any, ...]]:
    return {
        item.item_id: (item.answer.kind, item.answer.category, item.answer.who)
        for item in store.answered()
        if item.answer
    }


def test_label_studio_tasks_fit_their_config(store: ReviewStore, tmp_path: Path) -> None:
    out = exported(store, "label-studio", tmp_path / "out")
    config = ET.parse(out / "labeling_config.xml").getroot()  # noqa: S314  ours
    choices = [each.attrib["value"] for each in config.iter("Choice")]
    assert choices == ["Home > Lamps", ODD, "Toys", "(not sold here)", "(can't tell)"]
    tasks = {task["data"]["item"]: task for task in json.loads((out / "tasks.json").read_text())}
    assert tasks.keys() == {"item-1", "item-2", "item-3"}
    named = {tag.attrib["name"]: tag.attrib["value"] for tag in config if "value" in tag.attrib}
    assert named == {"title": "$title", "photo": "$photo"}
    for task in tasks.values():
        assert task["data"].keys() >= {"title", "photo"}
        [prediction] = task["predictions"]
        assert (prediction["model_version"], prediction["score"]) == ("m1", 0.6)
        [result] = prediction["result"]
        assert result["value"] == {"choices": ["Home > Lamps"]}
    photo = tasks["item-1"]["data"]["photo"].removeprefix("/data/local-files/?d=")
    assert Image.open(out / photo).getpixel((0, 0)) == (255, 0, 0)
    assert tasks["item-2"]["data"]["photo"] == ""
    assert tasks["item-3"]["data"]["title"] == "(no title)"


def annotated(task: dict, choice: str, **more: Any) -> dict:
    """As Label Studio's export has it."""
    result = {"id": "x", "from_name": "category", "to_name": "photo", "type": "choices"}
    annotation = {
        "id": 7,
        "completed_by": {"id": 1, "email": "ann@shop.example"},
        "result": [result | {"value": {"choices": [choice]}}],
        "was_cancelled": False,
        "created_at": "2026-01-02T00:00:00Z",
    }
    return task | {"id": 3, "annotations": [annotation | more]}


def test_label_studio_answers_come_back_and_bad_rows_say_why(
    store: ReviewStore, tmp_path: Path
) -> None:
    out = exported(store, "label-studio", tmp_path / "out")
    by = {task["data"]["item"]: task for task in json.loads((out / "tasks.json").read_text())}
    good = annotated(by["item-1"], ODD)
    first = annotated(by["item-1"], "Toys")["annotations"][0] | {"created_at": "2026-01-01"}
    good["annotations"].append(first)
    said = [
        annotated(by["item-2"], "Nowhere"),
        good,
        "no task",
        annotated({"data": {"item": "other"}}, "Toys"),
        annotated({"data": {"item": "item-99"}}, "Toys"),
        annotated(by["item-2"], "Toys", result=[]),
        annotated(by["item-2"], "Toys", was_cancelled=True),
        annotated(by["item-3"], "(not sold here)", completed_by=5),
    ]
    file = tmp_path / "export.json"
    file.write_text(json.dumps(said))
    found = import_answers(store, "label-studio", file, names=["Toys"])
    assert answers(store) == {
        1: ("category", ODD, "ann@shop.example"),
        3: ("not_sold", None, "5"),
    }
    assert (found.n, found.n_known) == (2, 0)
    reasons = dict(found.problems)
    assert reasons.keys() == {f"task {number}" for number in (1, 3, 4, 5, 6)}
    assert "got 'Nowhere'. Pass --bundle" in reasons["task 1"]
    assert "must have data.item and annotations" in reasons["task 3"]
    assert "item-NUMBER" in reasons["task 4"]
    assert "got 'other'" in reasons["task 4"]
    assert "review item 99, but there is none" in reasons["task 5"]
    assert "one choice named category" in reasons["task 6"]
    again = import_answers(store, "label-studio", file, names=["Toys"])
    assert (again.n, again.n_known) == (0, 2)
    assert answers(store)[1][1] == ODD
    for n, n_known in ((2, 0), (0, 2)):  # bob says the same of himself, once
        bobs = import_answers(store, "label-studio", file, names=["Toys"], who=" bob ")
        assert (bobs.n, bobs.n_known) == (n, n_known)
    assert [own.who for own in store.item(1).answers] == ["ann@shop.example", "bob"]
    assert store.disputed() == []


@pytest.mark.parametrize("tool", ["label-studio", "argilla"])
def test_annotators_who_disagree_are_reviewers_who_disagree(
    store: ReviewStore, tmp_path: Path, tool: str
) -> None:
    given = {1: ["Home > Lamps", ODD], 2: ["(can't tell)", ODD, ODD], 3: [ODD, ODD]}
    said: list[dict[str, Any]] = []
    for number, each in given.items():
        by = [{"value": answer, "user_id": f"user{n}"} for n, answer in enumerate(each)]
        if tool == "argilla":
            record = {"id": f"item-{number}", "status": "completed", "responses": {"category": by}}
        else:
            task = {"data": {"item": f"item-{number}"}}
            whole = [annotated(task, a["value"], completed_by=a["user_id"]) for a in by]
            record = task | {"annotations": [x for one in whole for x in one["annotations"]]}
        said.append(record)
    file = tmp_path / "export.json"
    file.write_text(json.dumps(said))
    for n, n_known in ((7, 0), (0, 7)):
        found = import_answers(store, tool, file)
        assert (found.n, found.n_known, found.problems) == (n, n_known, [])
    assert [item.item_id for item in store.disputed()] == [1]
    assert [(own.who, own.category) for own in store.item(1).answers] == [
        ("user0", "Home > Lamps"),
        ("user1", ODD),
    ]
    assert {number: said[:2] for number, said in answers(store).items() if number > 1} == {
        2: ("category", ODD),
        3: ("category", ODD),
    }


def test_argilla_records_fit_their_settings_and_come_back(
    store: ReviewStore, tmp_path: Path
) -> None:
    out = exported(store, "argilla", tmp_path / "out")
    settings = json.loads((out / "settings.json").read_text())
    [question] = settings["questions"]
    options = {each["value"] for each in question["settings"]["options"]}
    records = json.loads((out / "records.json").read_text())
    fields = {each["name"] for each in settings["fields"]}
    for record in records:
        assert record["fields"].keys() <= fields
        assert "title" in record["fields"]
        assert record["suggestions"]["category"]["value"] in options
        if "photo" in record["fields"]:
            assert (out / record["fields"]["photo"]).is_file()
    # as `records.to_json` writes them
    by = {record["id"]: record | {"status": "completed"} for record in records}
    by["item-1"]["responses"] = {"category": [{"value": ODD, "user_id": "7c9e"}]}
    by["item-2"]["responses"] = {"category": [{"value": "Toys", "user_id": "7c9e"}]}
    by["item-2"]["status"] = "pending"  # a draft, perhaps
    by["item-3"]["responses"] = {"category": [{"value": None, "user_id": "7c9e"}]}
    file = tmp_path / "records.json"
    file.write_text(json.dumps([*by.values(), {"id": "item-1"}]))
    found = import_answers(store, "argilla", file)
    assert answers(store) == {1: ("category", ODD, "7c9e")}
    assert [why.split(",")[0] for _, why in found.problems] == [
        "A response to category must have a value",
        "A record must have id and responses",
    ]


def test_fiftyone_labels_come_back_and_predictions_do_not(
    store: ReviewStore, tmp_path: Path
) -> None:
    out = exported(store, "fiftyone", tmp_path / "out")
    blank, said = (
        json.loads((out / f"{name}.json").read_text()) for name in ("labels", "predictions")
    )
    assert {path.stem for path in (out / "data").iterdir()} == {"item-1", "item-3"}
    assert blank["labels"] == {"item-1": None, "item-3": None}
    predicted = said["labels"]["item-1"]
    assert said["classes"][predicted["label"]] == "Home > Lamps"
    assert predicted["confidence"] == 0.6
    nothing = import_answers(store, "fiftyone", out / "labels.json")
    assert (nothing.n, nothing.problems, answers(store)) == (0, [], {})
    labels = {"item-1": said["classes"].index(ODD), "item-3": {"label": "(can't tell)"}}
    labels |= {"cat": "Toys", "sub/item-2": 99}
    file = tmp_path / "labels.json"
    file.write_text(json.dumps({"classes": said["classes"], "labels": labels}))
    found = import_answers(store, "fiftyone", file, who="eve")
    assert answers(store) == {1: ("category", ODD, "eve"), 3: ("cant_tell", None, "eve")}
    assert dict(found.problems).keys() == {"cat", "sub/item-2"}


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_no_export_is_refused(store: ReviewStore, tool: str, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text("{")
    with pytest.raises(ConfigError, match=f"JSON that {tool} exported"):
        import_answers(store, tool, file)
    with pytest.raises(ConfigError, match="No such file"):
        import_answers(store, tool, tmp_path / "none.json")
    for nonsense in ("1", "[1]", "{}", '{"labels": 1}', '{"labels": {"item-1": [[]]}}', "[[]]"):
        file.write_text(nonsense)
        found = import_answers(store, tool, file)
        assert found.n == 0
        assert found.problems


def test_an_empty_queue_has_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="Nothing waits"):
        export_tasks(ReviewStore(tmp_path / "r.sqlite"), "argilla", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("responses", [True, 5, {"value": ODD}, "x", [[]], [None]])
def test_argilla_responses_of_another_shape_are_named_or_read(
    store: ReviewStore, responses: Any, tmp_path: Path
) -> None:
    record = {"id": "item-1", "status": "completed", "responses": {"category": responses}}
    file = tmp_path / "records.json"
    file.write_text(json.dumps([record]))
    found = import_answers(store, "argilla", file)
    assert found.n + len(found.problems) == 1
