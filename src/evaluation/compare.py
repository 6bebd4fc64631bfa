"""Fusion against each single view on the same listings, in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..fusion.accept_rule import precision_lower_bound
from ..pipeline.verdict import Shift
from .baselines import FUSION
from .intervals import effective_number, mcnemar_p, paired_bootstrap, wilson_interval
from .metrics import expected_calibration_error, log_loss, macro_f1, top_k_accuracy, weighted_f1


@dataclass(frozen=True)
class ArmPredictions:
    """What one arm says about every listing.

    Parameters
    ----------
    probabilities
        Shape ``(n_listings, n_categories)``, rows sum to 1.
    answered
        Shape ``(n_listings,)``; false where the arm's views are all missing: its row of
        probabilities then holds the class prior.
    """

    probabilities: Floats
    answered: Bools


@dataclass(frozen=True)
class EvaluationInput:
    """Everything an evaluation needs, checked on construction.

    Parameters
    ----------
    listing_ids, titles
        Length ``n_listings``, as in the catalogue.
    categories
        Length ``n_listings``, the true category, cut to the model's levels. One that isn't among
        `class_names` (too few examples in training) is an unknown category.
    class_names
        Length ``n_categories``, the columns' names, each one once.
    baselines
        Name to predictions; ``"fusion"`` must be there, others as far as they exist.
    accepted
        Shape ``(n_listings,)``; the fused verdict was accepted without review.
    levels
        How many levels of the category path the model predicts.
    target_precision
        The share of right answers that auto-accept was set up for, above 0 and up to 1.
    ood
        What `ood.measure_ood` found, if there were outside photos.
    shift
        How the listings have drifted away from the training listings, if they have.
    groups
        Shape ``(n_listings,)``: listings of one number (of a seller, a session, or the same thing
        twice) are right or wrong together. None: each listing is a group of its own.
    """

    listing_ids: Sequence[str]
    titles: Sequence[str]
    categories: Sequence[str]
    class_names: Sequence[str]
    baselines: Mapping[str, ArmPredictions]
    accepted: Bools
    levels: int
    target_precision: float
    ood: Mapping[str, float | int] | None = None
    shift: Shift | None = None
    groups: Ints | None = None

    def __post_init__(self) -> None:
        n = len(self.listing_ids)
        if not len(self.titles) == len(self.categories) == n:
            raise ValueError(
                f"titles and categories must have one entry a listing, {n}, but have "
                f"{len(self.titles)} and {len(self.categories)}."
            )
        _require_mask("accepted", self.accepted, n)
        if self.groups is not None and self.groups.shape != (n,):
            raise ValueError(f"groups must have shape {(n,)}, but has {self.groups.shape}.")
        if twice := [name for name, n in Counter(self.class_names).items() if n > 1]:
            raise ValueError(f"class_names must hold each category once, but repeats {twice[:3]}.")
        if FUSION not in self.baselines:
            raise ValueError(f"arms must hold {FUSION!r}, but holds {sorted(self.baselines)}.")
        for name, arm in self.baselines.items():
            _require_probabilities(name, arm.probabilities, (n, len(self.class_names)))
            _require_mask(f"arms[{name!r}].answered", arm.answered, n)
        if not 0 < self.target_precision <= 1:
            raise ValueError(
                f"target_precision must lie in (0, 1], but is {self.target_precision}."
            )
        if not np.any(self.known):
            raise ValueError(
                "At least one listing's category must be among class_names, but none of "
                f"{sorted(set(self.categories))[:3]} is among {list(self.class_names)[:3]}... "
                f"Were the categories cut to the model's {self.levels} level(s)?"
            )

    @cached_property
    def labels(self) -> Ints:
        """Shape ``(n_listings,)``: the true category's column, -1 where it is unknown."""
        column = {name: i for i, name in enumerate(self.class_names)}
        return np.array([column.get(category, -1) for category in self.categories], dtype=np.intp)

    @cached_property
    def known(self) -> Bools:
        """Shape ``(n_listings,)``: the true category is one that the model can answer."""
        return self.labels >= 0

    @cached_property
    def group_numbers(self) -> Ints:
        """Shape ``(n_listings,)``: `groups`, or each listing's own."""
        return np.arange(len(self.listing_ids)) if self.groups is None else self.groups

    def predicted(self, arm: str) -> Ints:
        """Columns that `arm` finds most probable, shape ``(n_listings,)``."""
        columns: Ints = self.baselines[arm].probabilities.argmax(axis=1)
        return columns

    def confidence(self, arm: str) -> Floats:
        """Probabilities of those answers, shape ``(n_listings,)``."""
        largest: Floats = self.baselines[arm].probabilities.max(axis=1)
        return largest

    def correct(self, arm: str) -> Bools:
        """Where `arm` is right, shape ``(n_listings,)``; never on an unknown category."""
        return np.equal(self.predicted(arm), self.labels)


def compare(evaluation: EvaluationInput) -> dict[str, Any]:
    """Measure every arm, its difference to fusion, and what auto-accept lets through.

    Arms are compared on the listings whose category the model knows, the same ones for each arm:
    where an arm's view is missing, its class prior answers. No arm can be right on an unknown
    category, so it says nothing about which arm is better. Auto-accept is another matter: it meets
    such listings in production, so there they count, and accepting one is an error.

    Listings of one group are right or wrong together, so every interval and p-value counts groups:
    differences by drawing whole groups, shares at as many observations as the groups are worth.

    Returns
    -------
    dict
        Ready for strict JSON: ``None`` where a number doesn't exist (precision with nothing
        accepted). Shares are 0 to 1, intervals 95 %, ``difference`` is fusion minus the other
        arm, ``precision_low`` and ``precision_high`` are one-sided 95 % bounds, ``mcnemar_p`` is of
        the sign test on groups where groups have several listings. ``n_groups`` is of all
        listings, ``n_groups_known_category`` of those that the arms are compared on.
    """
    known = evaluation.known
    return {
        "n": len(known),
        "n_unknown_category": int(np.sum(~known)),
        "n_groups": len(np.unique(evaluation.group_numbers)),
        "n_groups_known_category": len(np.unique(evaluation.group_numbers[known])),
        "levels": evaluation.levels,
        "arms": {arm: _measure(evaluation, arm) for arm in evaluation.baselines},
        "paired": {
            f"{FUSION}_vs_{arm}": _measure_difference(evaluation, arm)
            for arm in evaluation.baselines
            if arm != FUSION
        },
        "accepted": accepted_metrics(
            evaluation.correct(FUSION),
            evaluation.accepted,
            evaluation.group_numbers,
            evaluation.target_precision,
        ),
        **({"ood": dict(evaluation.ood)} if evaluation.ood is not None else {}),
        **({"shift": evaluation.shift.model_dump()} if evaluation.shift is not None else {}),
    }


def _measure(evaluation: EvaluationInput, arm: str) -> dict[str, Any]:
    known = evaluation.known
    labels = evaluation.labels[known]
    probabilities = evaluation.baselines[arm].probabilities[known]
    predicted = evaluation.predicted(arm)[known]
    n_effective = effective_number(evaluation.group_numbers[known])
    worth = n_effective / len(labels)
    low, high = wilson_interval(float(np.sum(predicted == labels)) * worth, n_effective)
    return {
        "top1": top_k_accuracy(probabilities, labels, 1),
        "top1_low": low,
        "top1_high": high,
        "top5": top_k_accuracy(probabilities, labels, 5),
        "macro_f1": macro_f1(predicted, labels),
        "weighted_f1": weighted_f1(predicted, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "log_loss": log_loss(probabilities, labels),
        "n_answered": int(np.sum(evaluation.baselines[arm].answered[known])),
    }


def _measure_difference(evaluation: EvaluationInput, arm: str) -> dict[str, float]:
    known = evaluation.known
    fusion, other = evaluation.correct(FUSION)[known], evaluation.correct(arm)[known]
    groups = evaluation.group_numbers[known]
    difference = paired_bootstrap(fusion, other, groups=groups)
    return {**difference._asdict(), "mcnemar_p": mcnemar_p(fusion, other, groups=groups)}


def accepted_metrics(
    right: Bools, accepted: Bools, groups: Ints, target_precision: float
) -> dict[str, Any]:
    """Measure what auto-accept lets through: how much, and how much of that is right.

    Parameters
    ----------
    right, accepted, groups
        Shape ``(n_listings,)``; listings of one group are right or wrong together.

    Returns
    -------
    dict
        As ``accepted`` in `compare`.
    """
    of_accepted = groups[accepted]
    n, n_effective = len(of_accepted), effective_number(of_accepted)
    n_right = int(np.sum(right & accepted))
    worth = n_effective / n if n else 0.0
    low = precision_lower_bound(n_right * worth, n_effective)
    high = 1 - precision_lower_bound((n - n_right) * worth, n_effective)
    return {
        "precision": n_right / n if n else None,
        "precision_low": low if n else None,
        "precision_high": high if n else None,
        "coverage": n / len(accepted),
        "target_precision": target_precision,
        "n": n,
        "n_groups": len(np.unique(of_accepted)),
    }


def _require_mask(name: str, mask: Bools, n: int) -> None:
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise ValueError(
            f"{name} must be booleans of shape {(n,)}, but is {mask.dtype} of shape {mask.shape}."
        )


def _require_probabilities(arm: str, probabilities: Floats, shape: tuple[int, int]) -> None:
    name = f"arms[{arm!r}].probabilities"
    if probabilities.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, but has {probabilities.shape}.")
    sums = probabilities.sum(axis=1)
    # written so that NaN fails it too
    bad = ~((np.abs(sums - 1) < 1e-3) & (probabilities >= 0).all(axis=1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{name} must be 0 or more and sum to 1 in each row, but row {row} starts "
            f"{probabilities[row][:3]} and sums to {sums[row]:.4g}."
        )
