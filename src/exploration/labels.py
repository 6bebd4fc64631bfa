"""Which labels to look at: those more likely wrong than right, and those all witnesses deny."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from cleanlab.filter import find_label_issues

from ..core.arrays import Bools, Floats, Ints
from .label_noise import LabelNoise
from .witnesses import NEIGHBOURS, Witness

Doubt: TypeAlias = Literal["wrong_label", "doubtful_label"]
LIKELY = 0.5
"""Of the probability that a label is wrong: above it, it is more likely wrong than right."""


@dataclass(frozen=True)
class LabelDoubt:
    """A label that is to be looked at.

    Parameters
    ----------
    place
        Of the listing, among those that were looked at.
    suggested
        The likeliest other category's column.
    probability
        That the label is wrong, 0 to 1.
    witnesses
        Who was heard -> the category that it names.
    """

    place: int
    doubt: Doubt
    suggested: int
    probability: float
    witnesses: Mapping[str, int]


def find_doubts(
    noise: LabelNoise, fused: Floats, witnesses: Mapping[str, Witness], labels: Ints
) -> list[LabelDoubt]:
    """Find labels to look at, the most likely wrong ones first.

    A label that is more likely wrong than right is wrong, as far as can be told. It is doubtful if
    no witness confirms it, and either all of them name one other category or confident learning
    (cleanlab) would prune it: there the classifier is no better than the labels that taught it, or
    categories are close.

    Parameters
    ----------
    noise
        See `fit_label_noise`.
    fused
        Shape ``(n, n_categories)``: the held-out answers as they are.
    witnesses
        Each about the same n listings.
    """
    answers = {name: witness.answers for name, witness in witnesses.items()}
    suggested, wrong = noise.suggested(labels), noise.wrong_probability > LIKELY
    denied, agreed = denials(np.stack(list(answers.values())), labels, suggested)
    doubtful = denied & (agreed | pruned(fused, labels)) & ~wrong
    order = np.argsort(-noise.wrong_probability, kind="stable")
    return [
        LabelDoubt(
            place,
            "wrong_label" if wrong[place] else "doubtful_label",
            int(suggested[place]),
            float(noise.wrong_probability[place]),
            {name: int(own[place]) for name, own in answers.items() if own[place] >= 0},
        )
        for place in order.tolist()
        if wrong[place] or doubtful[place]
    ]


def denials(answers: Ints, labels: Ints, suggested: Ints) -> tuple[Bools, Bools]:
    """Tell whose label no witness confirms, and for whom all of them, two or more, name another.

    Parameters
    ----------
    answers
        Shape ``(n_witnesses, n)``, categories, -1 where a witness says nothing.
    suggested
        Shape ``(n,)``, the other category.

    Returns
    -------
    tuple of Bools
        Of shape ``(n,)`` each.
    """
    heard = answers >= 0
    denied = heard.any(axis=0) & ~(answers == labels).any(axis=0)
    agreed = (heard.sum(axis=0) > 1) & ((answers == suggested) | ~heard).all(axis=0)
    return denied, agreed


def pruned(fused: Floats, labels: Ints) -> Bools:
    """Ask cleanlab which labels confident learning would prune; shape ``(n,)``."""
    if len(np.unique(labels)) < fused.shape[1]:
        return np.zeros(len(labels), dtype=bool)
    return np.asarray(
        find_label_issues(labels, fused, n_jobs=1, min_examples_per_class=0), dtype=bool
    )


def say_doubt(doubt: LabelDoubt, label: int, names: Sequence[str]) -> str:
    """Say in words who doubts a label, who confirms it, and how likely it is wrong.

    Parameters
    ----------
    names
        Of the categories, by column.
    """
    heard: dict[int, list[str]] = {doubt.suggested: []}
    for who, what in doubt.witnesses.items():
        heard.setdefault(what, []).append(who)
    confirming = heard.pop(label, [])
    parts = [f"{_speak(who)} {names[what]}" for what, who in heard.items() if who]
    if confirming:
        parts.append(f"{_speak(confirming)} {names[label]}, as labelled")
    if not heard[doubt.suggested]:
        parts.append(f"together they look like {names[doubt.suggested]}")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}. Probability of a wrong label: {doubt.probability:.0%}."


def _speak(who: Sequence[str]) -> str:
    named = " and ".join([", ".join(who[:-1]), who[-1]] if len(who) > 1 else who)
    return f"{named} say" if len(who) > 1 or who[0] == NEIGHBOURS else f"{named} says"
