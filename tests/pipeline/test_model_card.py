import json
from typing import Any

import pytest
from shelfsure.pipeline.model_card import model_card
from shelfsure.pipeline.pipeline import ListingPipeline


def card(trained: ListingPipeline, **facts: Any) -> str:
    pipeline = trained
    names = facts.pop("class_names", pipeline.class_names)
    return model_card(names, pipeline.config.model_dump(), {**pipeline.facts, **facts})


def evidence(threshold: float) -> dict[str, Any]:
    accept = {"threshold": threshold, "coverage": 0.625, "precision": 0.9875}
    return {"modalities": ["photo", "title"], "n": 1234, "top1": 0.9512, "accept": accept}


def test_model_card_tells_data_metrics_and_classes(tiny_trained: ListingPipeline) -> None:
    text = card(tiny_trained, evidence=[evidence(0.875)])
    assert "60 listings; photos 60, titles 60, descriptions 60" in text
    assert "2 rows were rejected, 2 left out" in text
    assert "| photo + title | 1,234 | 1,234 | 95.1% | 62.5% | 98.8% | 0.875 |" in text
    assert "80% with 80% confidence" in text
    assert "- Toys \\> Kites: 20 listings" in text or "- Toys > Kites: 20 listings" in text
    assert "Garden > Hoses: 2" in text
    assert "seed 0" in text


def test_model_card_says_that_nothing_is_accepted(tiny_trained: ListingPipeline) -> None:
    assert "none keeps the promise" in card(tiny_trained, evidence=[evidence(2.0)])


def test_model_card_says_that_nothing_was_left_out(tiny_trained: ListingPipeline) -> None:
    assert "- none\n" in card(tiny_trained, left_out={}) + "\n"


def test_model_card_says_what_aligning_photos_and_titles_brought(
    tiny_trained: ListingPipeline,
) -> None:
    gain = {"before": 0.25, "after": 0.5, "low": 0.2, "high": 0.3}
    facts = {"n_pairs": 1234, "retrieval": gain, "left_out": gain, "known": gain}
    kept = card(tiny_trained, joint_space={**facts, "kept": ["retrieval", "names"]})
    assert "1,234 listings that have both" in kept
    assert kept.count("50.0% (before 25.0%; gain +20.0% to +30.0%)") == 3
    half = card(tiny_trained, joint_space={**facts, "kept": ["retrieval"]})
    assert half.count("50.0% (before 25.0%") == 1
    none = card(tiny_trained, joint_space={**facts, "kept": []})
    assert "aligned" not in none


@pytest.mark.parametrize("name", ["<img src=x>", "a [b](c)", "`code`", "**bold**", "| cell |"])
def test_model_card_keeps_category_names_from_being_markdown(
    tiny_trained: ListingPipeline, name: str
) -> None:
    text = card(tiny_trained, class_names=[name], category_counts={name: 9}, left_out={name: 1})
    lines = [line for line in text.splitlines() if ": 9 listings" in line or line.endswith(": 1")]
    assert len(lines) == 2
    for line in lines:
        said = line.removeprefix("- ").partition(": ")[0]
        assert said != name
        assert said.replace("\\", "") == name


def test_model_card_needs_nothing_that_json_loses(tiny_trained: ListingPipeline) -> None:
    """It is made at training, and could be made again from what the bundle holds."""
    pipeline = tiny_trained
    facts = json.loads(json.dumps(pipeline.facts))
    again = model_card(pipeline.class_names, pipeline.config.model_dump(mode="json"), facts)
    assert again == card(tiny_trained)
