"""Each category's own cut-off: only with evidence, and all together as sure as one."""

import numpy as np
import pytest
from shelfsure.core.config import AcceptConfig
from shelfsure.fusion.accept_rule import n_flawless
from shelfsure.pipeline.category_rules import CategoryRule, own_cut_offs

ACCEPT = AcceptConfig(target_precision=0.9, confidence=0.9)


def cut_offs(sizes: list[int], right: np.ndarray | None = None, **changed: object) -> dict:
    columns = np.repeat(np.arange(len(sizes)), sizes)
    n = len(columns)
    given = {
        "probability": np.linspace(0.99, 0.5, n),
        "right": np.ones(n, bool) if right is None else right,
        "columns": columns,
        "groups": np.arange(n),
        "enough": np.ones(n, bool),
    }
    return own_cut_offs(*(given | changed).values(), ACCEPT)


def test_so_many_categories_are_tested_as_could_show_it_together() -> None:
    assert n_flawless(0.9, 0.9) == 22
    assert n_flawless(0.9, 0.95) == 29  # two share a tenth
    assert n_flawless(0.9, 1 - 0.1 / 3) == 33
    assert cut_offs([21, 5]) == {}
    assert [*cut_offs([5, 22, 21])] == [1]
    assert [*cut_offs([28, 40])] == [1]
    assert [*cut_offs([29, 40])] == [1, 0]
    assert [*cut_offs([33, 33, 33, 33])] == [0, 1, 2]
    two = cut_offs([29, 40])
    assert [rule.confidence for rule in two.values()] == [pytest.approx(0.95)] * 2
    assert all(rule.threshold < 1 for rule in two.values())
    assert two[0].threshold == pytest.approx(np.linspace(0.99, 0.5, 69)[28])


def test_a_category_whose_answers_are_wrong_has_none_and_harms_no_other() -> None:
    right = np.repeat([False, True], [40, 40])
    found = cut_offs([40, 40], right)
    assert (found[0].threshold > 1, found[1].threshold < 1) == (True, True)
    # what is tested depends on counts alone, never on what was right
    assert found.keys() == cut_offs([40, 40]).keys()


def test_listings_of_one_group_and_those_of_too_few_examples_are_no_evidence() -> None:
    assert cut_offs([40], groups=np.arange(40) // 4) == {}
    assert cut_offs([40], enough=np.arange(40) < 21) == {}
    assert len(cut_offs([40], enough=np.arange(40) < 22)) == 1


def test_all_hold_together_as_often_as_promised() -> None:
    rng, n_broken, n_runs, n_categories = np.random.default_rng(0), 0, 300, 5
    for _ in range(n_runs):
        columns = np.repeat(np.arange(n_categories), 80)
        # right 88% of the time, whatever the probability: no cut-off keeps 90%
        found = own_cut_offs(
            rng.random(400),
            rng.random(400) < 0.88,
            columns,
            np.arange(400),
            np.ones(400, bool),
            ACCEPT,
        )
        assert len(found) == n_categories
        n_broken += any(rule.threshold <= 1 for rule in found.values())
    assert 0 < n_broken / n_runs <= 0.1


def test_category_rule_survives_json() -> None:
    rule = CategoryRule("A > B", frozenset({"photo", "title"}), cut_offs([40])[0])
    assert rule.to_json()["modalities"] == ["photo", "title"]
    assert CategoryRule.from_json(rule.to_json()) == rule
