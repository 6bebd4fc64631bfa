"""Between the weights before and after fine-tuning (WiSE-FT, Wortsman et al. 2022)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]
Measured = list[dict[str, float]]


@dataclass(frozen=True)
class Blend:
    """What was chosen.

    Parameters
    ----------
    share
        Of the fine-tuned weights, 0 to 1.
    measured
        Share -> what `features.judge_features` said; share 0 is the backbone as it was.
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
