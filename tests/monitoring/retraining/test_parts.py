import numpy as np
import pytest
from shelfsure.embedding.grouping import Grouping
from shelfsure.monitoring.retraining.parts import stable_parts


def grouped(duplicates: list[int], groups: list[int] | None = None) -> Grouping:
    own = np.array(duplicates)
    return Grouping(own if groups is None else np.array(groups), own, "duplicates")


def split(before: dict[str, str], ids: str, grouping: Grouping) -> dict[str, str]:
    parts = stable_parts(before, list(ids), ["x"] * len(ids), grouping, 0.25, 0)  # type: ignore[arg-type]
    return dict(zip(ids, parts, strict=True))


def test_test_listings_stay_and_their_new_duplicates_follow() -> None:
    before = {"a": "test", "b": "train"}
    found = split(before, "abcd", grouped([0, 1, 0, 1]))
    assert found == {"a": "test", "b": "train", "c": "test", "d": "train"}


def test_training_duplicates_of_a_test_listing_are_set_aside_and_come_back() -> None:
    before = {"a": "test", "b": "train"}
    found = split(before, "abc", grouped([0, 0, 0]))  # c is a copy of both
    assert found == {"a": "test", "b": "aside", "c": "aside"}
    again = split(found, "abc", grouped([0, 1, 1]))
    assert again == {"a": "test", "b": "train", "c": "train"}


def test_new_listings_follow_their_group_and_training_goes_first() -> None:
    before = {"a": "test", "b": "train", "d": "test"}
    # groups: {a, b, c} has both parts, {d, e} tests only
    found = split(before, "abcde", grouped([0, 1, 2, 3, 4], [0, 0, 0, 1, 1]))
    assert found == {"a": "test", "b": "train", "c": "train", "d": "test", "e": "test"}


def test_new_groups_are_divided_in_proportion_and_kept_together() -> None:
    ids = [f"l{n}" for n in range(80)]
    groups = np.arange(80) // 2
    parts = stable_parts({}, ids, ["x", "y"] * 40, Grouping(groups, groups, "column"), 0.25, 0)
    assert parts.count("test") == pytest.approx(20, abs=2)
    assert all(parts[n] == parts[n + 1] for n in range(0, 80, 2))
    assert set(parts) == {"train", "test"}
    kept = dict(zip(ids, parts, strict=True))
    more = [*ids, *(f"m{n}" for n in range(40))]
    own = np.arange(120)
    later = stable_parts(kept, more, ["x"] * 120, Grouping(own, own, "duplicates"), 0.25, 0)
    assert later[:80] == parts
    assert later[80:].count("test") == pytest.approx(10, abs=1)
