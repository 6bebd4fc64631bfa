from collections.abc import Iterator

import numpy as np
import pytest
from shelfsure.core.config import AcceptConfig, Config
from shelfsure.fusion.accept_rule import AcceptRule, Examples, Rules
from shelfsure.fusion.classifier import LateFusion
from shelfsure.fusion.held_out import HeldOut
from shelfsure.fusion.views import View
from shelfsure.pipeline.accept_rules import evidence, forecast, unseen_answers
from shelfsure.pipeline.accept_rules import fit_rules as fit_grouped_rules

PLENTY = Examples(np.full(3, 100))
NAMES = ("Home > Lamps", "Home > Vases", "Toys > Kites")
PHOTO = frozenset({"photo"})
CONFIG = Config(levels=2, accept=AcceptConfig(target_precision=0.9, confidence=0.9))


def answers(probabilities: np.ndarray) -> dict[frozenset[str], HeldOut]:
    rows = np.arange(len(probabilities))
    return {PHOTO: HeldOut(rows, np.log(probabilities.astype(np.float32)))}


def fit_rules(*given: object) -> Rules:
    """Every listing is a group of its own."""
    groups = np.arange(500)
    return fit_grouped_rules(*given, examples=PLENTY, groups=groups, unseen_groups=500 + groups)


def sure_of(column: int, n: int) -> np.ndarray:
    probabilities = np.full((n, 3), 0.005)
    probabilities[:, column] = 0.99
    return probabilities


def test_fit_rules_counts_answers_to_unknown_categories_as_errors() -> None:
    right = sure_of(0, 200)
    known = fit_rules(answers(right), ["Home > Lamps"] * 200, {}, [], NAMES, CONFIG)
    assert known.for_pattern(PHOTO)[-1].threshold < 1
    hammocks = answers(sure_of(0, 100))  # as sure, and always wrong
    both = fit_rules(
        answers(right),
        ["Home > Lamps"] * 200,
        hammocks,
        ["Garden > Hammocks"] * 100,
        NAMES,
        CONFIG,
    )
    assert both.for_pattern(PHOTO)[-1].threshold > 1
    assert both.for_pattern(PHOTO)[-1].n_calibration == 300


def test_fit_rules_holds_the_parent_of_an_unknown_category_for_right() -> None:
    rugs = answers(sure_of(1, 100))
    rules = fit_rules(
        answers(sure_of(0, 200)), ["Home > Lamps"] * 200, rugs, ["Home > Rugs"] * 100, NAMES, CONFIG
    )
    first, second = rules.for_pattern(PHOTO)
    assert first.precision == 1.0
    assert second.threshold > 1


def test_what_has_too_few_examples_is_never_accepted_but_its_parent_may_be() -> None:
    held, truth = answers(sure_of(0, 200)), ["Home > Lamps"] * 200
    groups = np.arange(200)

    def fitted(lamps: int, vases: int) -> tuple[AcceptRule, ...]:
        examples = Examples(np.array([lamps, vases, 100]), needed=5)
        return fit_grouped_rules(
            held, truth, {}, [], NAMES, CONFIG, examples=examples, groups=groups, unseen_groups=[]
        ).for_pattern(PHOTO)

    assert [rule.coverage for rule in fitted(5, 1)] == [1.0, 1.0]
    department, lamps = fitted(4, 1)  # five examples together
    assert department.coverage == 1.0
    assert (lamps.coverage, lamps.precision, lamps.n_calibration) == (0.0, 0.0, 200)
    assert lamps.threshold > 1
    rules = Rules({PHOTO: fitted(5, 1)})
    views = {"photo": View(np.zeros((200, 1), np.float32), np.ones(200, dtype=bool))}
    few, enough = Examples(np.array([4, 1, 100]), 5), Examples(np.array([5, 1, 100]), 5)
    labels = np.zeros(200, dtype=int)
    assert forecast(held, labels, rules, views, few)["accepted"] == 0.0
    assert forecast(held, labels, rules, views, enough)["accepted"] == 1.0


def test_answers_that_are_never_accepted_say_nothing_for_others() -> None:
    """Right but unsure answers of small categories don't lower the cut-off of large ones."""
    sure, unsure = sure_of(0, 200), np.tile([0.3, 0.4, 0.3], (200, 1))
    held = answers(np.vstack([sure, unsure]))
    truth = ["Home > Lamps"] * 200 + ["Home > Vases"] * 200
    rules = fit_grouped_rules(
        held,
        truth,
        {},
        [],
        NAMES,
        CONFIG,
        examples=Examples(np.array([100, 4, 100]), needed=5),
        groups=np.arange(400),
        unseen_groups=[],
    )
    lamps = rules.for_pattern(PHOTO)[-1]
    assert (lamps.threshold, lamps.coverage) == (pytest.approx(0.99), 0.5)


def test_unseen_answers_uses_only_the_pattern_and_the_rows_that_have_it(rng) -> None:
    labels, folds = np.tile([0, 1, 2], 20), np.arange(60) % 5
    features = np.eye(3, dtype=np.float32)[labels] + rng.normal(0, 0.01, (60, 3)).astype("f4")
    everywhere = np.ones(60, dtype=bool)
    views = {"photo": View(features, everywhere), "title_embedding": View(features, everywhere)}
    classifier, held_out = LateFusion.fit(views, labels, 3, folds)
    asked = {
        "photo": View(np.eye(3, dtype=np.float32), np.array([True, False, True])),
        "title_embedding": View(np.eye(3, dtype=np.float32), np.array([True, True, False])),
    }
    found = unseen_answers(classifier, asked, held_out)
    assert {tuple(sorted(k)): v.rows.tolist() for k, v in found.items()} == {
        ("photo",): [0, 2],
        ("title",): [0, 1],
        ("photo", "title"): [0],
    }
    assert found[PHOTO].log_probabilities.argmax(axis=1).tolist() == [0, 2]


def test_unseen_answers_of_nothing_is_nothing() -> None:
    assert unseen_answers(LateFusion({}, {}, np.zeros(3)), {}, [PHOTO]) == {}


def test_fit_rules_counts_groups() -> None:
    held, names = answers(sure_of(0, 200)), ["Home > Lamps"] * 200
    nobody = np.zeros(0, int)
    found = [
        fit_grouped_rules(
            held,
            names,
            {},
            [],
            NAMES,
            CONFIG,
            examples=PLENTY,
            groups=groups,
            unseen_groups=nobody,
        )
        for groups in (np.arange(200), np.arange(200) // 10)
    ]
    rules = [rule.for_pattern(PHOTO)[-1] for rule in found]
    assert [rule.n_groups for rule in rules] == [200, 20]
    assert rules[0].threshold < 1 < rules[1].threshold  # 20 are too few, whatever they say


def test_forecast_answers_each_listing_by_what_it_has() -> None:
    # with a photo all are right and sure; three quarters have none, and by title half are right
    n, title, both = 40, frozenset({"title"}), frozenset({"photo", "title"})
    there = np.arange(n) < 10
    column = np.where(np.arange(n) % 2, 1, 0)
    unsure = np.full((n, 2), 0.4)
    unsure[np.arange(n), column] = 0.6
    held = {
        title: HeldOut(np.arange(n), np.log(unsure)),
        both: HeldOut(np.flatnonzero(there), np.log(np.tile([0.99, 0.01], (10, 1)))),
    }
    rule = AcceptRule(0.9, 0.9, 0.9, 0.5, 1.0, n, n, 22)
    views = {
        "photo": View(np.ones((n, 1), np.float32), there),
        "title_embedding": View(np.ones((n, 1), np.float32), np.ones(n, dtype=bool)),
    }
    rules = Rules({title: (rule,), both: (rule,)})
    found = forecast(held, np.zeros(n, dtype=int), rules, views, PLENTY)
    assert found == {"right": (10 + 15) / 40, "accepted": 0.25, "right_of_accepted": 1.0}


class Backwards(frozenset[str]):
    """A set in an order that Python may choose, as it does anew for each process."""

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__(), reverse=True))


def test_evidence_stands_in_the_same_order_in_every_process() -> None:
    rule = AcceptRule(0.9, 0.9, 0.9, 0.5, 1.0, 4, 4, 22)
    pairs = [("photo", "title"), ("description", "title"), ("description", "photo")]
    held = {Backwards(pair): HeldOut(np.arange(4), np.log(np.full((4, 2), 0.5))) for pair in pairs}
    rules = Rules(dict.fromkeys(held, (rule,)))
    told = evidence(held, np.zeros(4, dtype=int), rules)
    assert [tuple(one["modalities"]) for one in told] == sorted(pairs)
