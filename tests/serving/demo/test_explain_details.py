"""The page's button for words and regions, and what it shows."""

from types import SimpleNamespace
from typing import Any

from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.demo.tabs.explanation import explain, explain_details


def test_explain_details_follow_the_bars(tiny_trained: ListingPipeline) -> None:
    service: Any = SimpleNamespace(pipeline=tiny_trained)
    checked = (tiny_trained.catalog.listings[0], None)
    account = explain(service, checked)[4]
    assert "What adds up to" in account
    assert "sf-piece" not in account
    waiting, shown = explain_details(service, checked)
    assert waiting[1].interactive is False
    assert shown[0].count("<td") == 16
    assert "sf-piece" in shown[0]
    assert shown[1].visible is False


def test_explain_details_of_nothing_are_none(tiny_trained: ListingPipeline) -> None:
    service: Any = SimpleNamespace(pipeline=tiny_trained)
    assert explain(service, None)[4] == ""
    [(_, button)] = explain_details(service, None)
    assert button.visible is False
