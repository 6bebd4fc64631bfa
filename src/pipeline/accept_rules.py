"""Fit the accept rules: on answers to listings that the models hadn't seen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..catalog.listing import category_prefix
from ..core.arrays import Bools, Floats, Ints
from ..core.config import AcceptConfig, Config
from ..fusion.accept_rule import (
    AcceptRule,
    Examples,
    Rules,
    fit_accept_rule,
    showable_precision,
)
from ..fusion.calibration import entropy
from ..fusion.classifier import FusionClassifier
from ..fusion.held_out import HeldOut
from ..fusion.hierarchy import ancestors, depth, sum_by_parent
from ..fusion.views import Modalities, Views, n_rows, patterns, restrict, take


def unseen_answers(
    classifier: FusionClassifier, views: Views, wanted: Iterable[Modalities]
) -> dict[Modalities, HeldOut]:
    """Answer listings of categories that the classifier doesn't know, for each pattern.

    Such listings come in production too, and accepting one is always an error. They weren't in
    training, so their answers are held out by themselves.
    """
    there = patterns(views) if n_rows(views) else []
    answers = {}
    for pattern in wanted:
        rows = np.array([row for row, own in enumerate(there) if own >= pattern], dtype=int)
        if len(rows):
            seen = take(restrict(views, pattern), rows)
            answers[pattern] = HeldOut(rows, classifier.log_probabilities(seen))
    return answers


def uncertainty(
    n: int,
    known: Ints,
    held_out: Mapping[Modalities, HeldOut],
    others: Ints,
    unseen: Mapping[Modalities, HeldOut],
) -> dict[Modalities, Floats]:
    """Gather how unsure answers to unseen listings were, row by row; NaN where there is none.

    Parameters
    ----------
    n
        Number of listings.
    known, others
        Rows of the listings that `held_out` and `unseen` are about.
    """
    unsure: dict[Modalities, Floats] = {}
    for pattern, held in held_out.items():
        unsure[pattern] = np.full(n, np.nan)
        unsure[pattern][known[held.rows]] = entropy(np.exp(held.log_probabilities))
        if pattern in unseen:
            answers = unseen[pattern]
            unsure[pattern][others[answers.rows]] = entropy(np.exp(answers.log_probabilities))
    return unsure


def fit_rules(
    held_out: Mapping[Modalities, HeldOut],
    categories: Sequence[str],
    unseen: Mapping[Modalities, HeldOut],
    unseen_categories: Sequence[str],
    class_names: Sequence[str],
    config: Config,
    *,
    examples: Examples,
    groups: Ints,
    unseen_groups: Ints,
) -> Rules:
    """Fit one rule for each pattern of modalities and each level.

    Parameters
    ----------
    held_out, unseen
        Answers to listings of known and of unknown categories.
    categories, unseen_categories
        The true category path of each of those listings.
    examples
        Behind each of `class_names`.
    groups, unseen_groups
        The group of each: listings of one group are right or wrong together.
    """
    pooled = pooled_answers(held_out, categories, unseen, unseen_categories, groups, unseen_groups)
    return Rules(
        {
            pattern: _levels(np.exp(answers), true, own, class_names, config, examples)
            for pattern, answers, true, own in pooled
        }
    )


def pooled_answers(
    held_out: Mapping[Modalities, HeldOut],
    categories: Sequence[str],
    unseen: Mapping[Modalities, HeldOut],
    unseen_categories: Sequence[str],
    groups: Ints,
    unseen_groups: Ints,
) -> Iterator[tuple[Modalities, Floats, list[str], Ints]]:
    """Put answers to listings of known and of unknown categories together; see `fit_rules`.

    Yields
    ------
    tuple
        For each pattern of modalities the log-probabilities of n answers, shape
        ``(n, n_categories)``, the true category path of each listing, and its group.
    """
    for pattern, held in held_out.items():
        answers, true = held.log_probabilities, [categories[row] for row in held.rows]
        own = groups[held.rows]
        if pattern in unseen:
            answers = np.vstack([answers, unseen[pattern].log_probabilities])
            true += [unseen_categories[row] for row in unseen[pattern].rows]
            own = np.concatenate([own, unseen_groups[unseen[pattern].rows]])
        yield pattern, answers, true, own


def _levels(
    probabilities: Floats,
    true: Sequence[str],
    groups: Ints,
    class_names: Sequence[str],
    config: Config,
    examples: Examples,
) -> tuple[AcceptRule, ...]:
    """Fit one rule a level, from the first to the deepest."""
    rules = []
    for level in range(1, min(config.levels, depth(class_names)) + 1):
        parents, places = ancestors(class_names, level)
        summed = sum_by_parent(probabilities, places, len(parents))
        answers = summed.argmax(axis=1)
        right = np.array(
            [
                parents[best] == category_prefix(category, level)
                for best, category in zip(answers, true, strict=True)
            ]
        )
        enough = examples.of_parents(places, len(parents)).enough(answers)
        rules.append(_rule(summed.max(axis=1), right, groups, enough, config.accept))
    return tuple(rules)


def _rule(
    probability: Floats, right: Bools, groups: Ints, enough: Bools, accept: AcceptConfig
) -> AcceptRule:
    """Fit a rule on the answers that may be accepted at all; coverage is of all of them."""
    if not enough.any():  # nothing that could be shown to be right
        enough, right = np.ones_like(enough), np.zeros_like(right)
    answers = probability[enough], right[enough]
    promise = accept.target_precision, accept.confidence
    rule = fit_accept_rule(*answers, *promise, groups=groups[enough])
    showable = None if rule.coverage else showable_precision(*answers, *promise, groups[enough])
    coverage = rule.coverage * float(enough.mean())
    return replace(rule, coverage=coverage, n_calibration=len(enough), showable=showable)


def evidence(
    held_out: Mapping[Modalities, HeldOut], labels: Ints, rules: Rules
) -> list[dict[str, Any]]:
    """Say for each pattern of modalities how often unseen listings came out right, as JSON values.

    ``top1`` is over the known categories, ``accept`` over all listings.
    """
    return [
        {
            "modalities": sorted(pattern),
            "n": len(held.rows),
            "top1": float((held.log_probabilities.argmax(axis=1) == labels[held.rows]).mean()),
            "accept": rules.for_pattern(pattern)[-1].to_json(),
        }
        for pattern, held in sorted(
            held_out.items(), key=lambda item: (len(item[0]), *sorted(item[0]))
        )
    ]


def forecast(
    held_out: Mapping[Modalities, HeldOut],
    labels: Ints,
    rules: Rules,
    views: Views,
    examples: Examples,
) -> dict[str, float]:
    """Say how answers to held-out listings come out under these rules, each by all that it has.

    Parameters
    ----------
    labels, views
        Of the listings that `held_out` is about.
    examples
        Behind each category.

    Returns
    -------
    dict
        Shares, 0 to 1: ``right`` of all, ``accepted`` of all, ``right_of_accepted`` (1 if none is).
    """
    own = patterns(restrict(views, rules.modalities))
    right, accepted = [], []
    for pattern, held in held_out.items():
        asked = np.array([own[row] == pattern for row in held.rows], dtype=bool)
        answers = held.log_probabilities[asked]
        best = answers.argmax(axis=1)
        right.append(best == labels[held.rows[asked]])
        sure = rules.for_pattern(pattern)[-1].accepts(np.exp(answers.max(axis=1)))
        accepted.append(sure & examples.enough(best))
    was_right, was_accepted = np.concatenate(right), np.concatenate(accepted)
    return {
        "right": float(was_right.mean()),
        "accepted": float(was_accepted.mean()),
        "right_of_accepted": float(was_right[was_accepted].mean()) if was_accepted.any() else 1.0,
    }
