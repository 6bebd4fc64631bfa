"""Robustness in numbers: a cell for each condition, severity, and what answers go by."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..compare import accepted_metrics
from ..intervals import effective_number, paired_bootstrap, wilson_interval
from ..messages import broken_promise
from .answers import Answers, By
from .measure import Robustness, severities

UNDISTURBED = "undisturbed"


def summary(found: Robustness) -> dict[str, Any]:
    """Put all numbers together, as strict JSON has them.

    Returns
    -------
    dict
        ``format`` (1), ``n`` listings, ``n_groups``, ``target_precision``, ``broken`` (names of the
        cells that break the promise) and ``cells``, each with

        - ``condition``, ``severity`` (0: undisturbed), ``strength``, ``by`` (``listing``, ``photo``
          or ``title`` alone), ``n`` (listings that were changed);
        - ``accuracy`` with its 95 % interval ``accuracy_low``, ``accuracy_high``; ``drop`` of it
          against the same listings undisturbed, paired, with ``drop_low`` and ``drop_high``;
        - ``accepted`` (share), ``accepted_drop``, ``n_accepted``, ``precision`` of those (None
          where there are none) with one-sided 95 % bounds ``precision_low``, ``precision_high``;
        - ``kept``: whether the accepted keep the promise, up to chance (as in `evaluate`);
        - ``out_of_catalogue`` (share), and ``held``: a batch of such would be held as a drift.
    """
    cells = list(_cells(found))
    return {
        "format": 1,
        "n": len(found.groups),
        "n_groups": len(np.unique(found.groups)),
        "target_precision": found.target_precision,
        "broken": [cell_name(cell) for cell in cells if not cell["kept"]],
        "cells": cells,
    }


def cell_name(cell: dict[str, Any]) -> str:
    """Name a cell: ``dark 2 by photo``."""
    return f"{cell['condition']} {cell['severity']} by {cell['by']}"


def _cells(found: Robustness) -> Iterator[dict[str, Any]]:
    for by, answers in found.undisturbed.items():
        if answers.answered.any():
            yield _cell(found, (UNDISTURBED, 0, None, by), answers, answers)
    for condition in found.conditions:
        for severity in severities(condition):
            for by, answers in found.under[condition.name, severity].items():
                if answers.answered.any():
                    key = (condition.name, severity, condition.severities[severity - 1], by)
                    yield _cell(found, key, answers, found.undisturbed[by])


def _cell(
    found: Robustness,
    key: tuple[str, int, float | None, By],
    answers: Answers,
    before: Answers,
) -> dict[str, Any]:
    rows = answers.answered
    groups, right = found.groups[rows], answers.right[rows]
    n, n_effective = len(right), effective_number(groups)
    low, high = wilson_interval(float(right.mean()) * n_effective, n_effective)
    drop = paired_bootstrap(before.right[rows], right, groups=groups)
    accepted = accepted_metrics(right, answers.accepted[rows], groups, found.target_precision)
    return {
        **dict(zip(("condition", "severity", "strength", "by"), key, strict=True)),
        "n": n,
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "drop": drop.difference,
        "drop_low": drop.low,
        "drop_high": drop.high,
        "accepted": accepted["coverage"],
        "accepted_drop": float(before.accepted[rows].mean()) - accepted["coverage"],
        "n_accepted": accepted["n"],
        "precision": accepted["precision"],
        "precision_low": accepted["precision_low"],
        "precision_high": accepted["precision_high"],
        "kept": not broken_promise(accepted),
        "out_of_catalogue": float(answers.refused[rows].mean()),
        "held": answers.watch.shift is not None,
    }
