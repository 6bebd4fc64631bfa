"""Between the weights before and after fine-tuning (WiSE-FT, Wortsman et al. 2022)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..embedding.run_options import ResolvedOptions
from .dataset import Prepared, frozen_rows
from .features import judge_features, pooled_features
from .state import RunState
from .taxonomy import OUTSIDE

if TYPE_CHECKING:
    import torch
    from torch import nn

    State = Mapping[str, torch.Tensor]
Measured = list[dict[str, float]]
MAX_JUDGED = 20_000
"""Training photos that a head is fitted on when weights are compared."""


@dataclass(frozen=True)
class Blend:
    """The chosen share of the fine-tuned weights, 0 to 1; and what `judge_features` said of each.

    Share 0 is the backbone as it was.
    """

    share: float
    measured: dict[float, Measured]


def blend(before: "State", after: "State", share: float) -> "dict[str, torch.Tensor]":
    """Interpolate weights; what isn't a floating-point number comes from `after`."""
    return {
        name: before[name].to(tensor).lerp(tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in after.items()
    }


def choose_share(shares: Sequence[float], measure: Callable[[float], Measured]) -> Blend:
    """Take the share whose features have the lowest held-out log loss, averaged over levels.

    Log loss tells close shares apart where too few photos are held out to count mistakes.
    """
    measured = {share: measure(share) for share in sorted({0.0, *shares})}
    loss = {share: np.mean([level["log_loss"] for level in measured[share]]) for share in shares}
    return Blend(min(shares, key=loss.__getitem__), measured)


@dataclass(frozen=True)
class Tuned:
    """One encoder's weights before and after fine-tuning, and its photos."""

    before: "State"
    after: "State"
    prepared: Prepared


def choose_blend(
    model: "nn.Module",
    tuned: Sequence[Tuned],
    shares: Sequence[float],
    state: RunState,
    options: ResolvedOptions,
) -> Blend:
    """Choose the share that does best on what each encoder didn't learn from, on average."""

    def measure(share: float) -> Measured:
        return mean_measured([_judged(model, each, share, state, options) for each in tuned])

    return choose_share(shares, measure)


def mean_measured(of_each: Sequence[Measured]) -> Measured:
    """Average what was measured of several encoders, level by level."""
    return [
        {name: float(np.mean([level[name] for level in levels])) for name in levels[0]}
        for levels in zip(*of_each, strict=True)
    ]


def average(states: Sequence["State"]) -> "dict[str, torch.Tensor]":
    """Average weights that started from the same (model soups, Wortsman et al. 2022).

    What isn't a floating-point number comes from the first.
    """
    import torch

    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in states[0].items()
    }


def _judged(
    model: "nn.Module", tuned: Tuned, share: float, state: RunState, options: ResolvedOptions
) -> Measured:
    prepared = tuned.prepared
    outside = [leaf == OUTSIDE for leaf in prepared.taxonomy.leaves]
    inside = prepared.training[~np.array(outside)[prepared.labels[prepared.training]]]
    rows = np.concatenate([inside[:MAX_JUDGED], prepared.held_out])
    training, held_out = np.split(np.arange(len(rows)), [len(rows) - len(prepared.held_out)])
    labels = prepared.labels[rows]
    levels = [group[labels] for group in prepared.taxonomy.groups]
    features = frozen_rows(prepared, rows, state) if share == 0.0 else None
    if features is None:
        model.load_state_dict(blend(tuned.before, tuned.after, share))
        features = pooled_features(model, prepared.squares, rows, options)
    return judge_features(features, training, held_out, levels)
