"""Which framing of photos tells categories apart best, by photos of groups that weren't learned."""

import logging
from collections.abc import Mapping, Sequence

from ..core.arrays import Floats, Ints
from ..vision.preprocess import CropMode
from .run_options import UNDECIDED
from .sessions import held_out_loss

CANDIDATES: tuple[CropMode, ...] = (UNDECIDED, "center")
"""The whole photo is what is taken without evidence for another."""
CLEARLY = 0.95
"""Another framing must leave less than this share of the first one's log loss."""
MAX_LISTINGS = 1_200
"""Photos that suffice to choose by."""
_LOG = logging.getLogger(__name__)


def best_crop_mode(
    features: Mapping[CropMode, Floats], categories: Sequence[str], groups: Ints, seed: int
) -> tuple[CropMode, dict[CropMode, float]]:
    """Choose the framing whose photos are answered best by heads that don't know their group.

    Parameters
    ----------
    features
        Framing -> shape ``(n, d)``, the same photos seen so; the first is kept without evidence.
    categories
        Of these n photos.
    groups
        Shape ``(n,)``; photos of one group are held out together.

    Returns
    -------
    str, dict
        The framing, and each one's log loss in nats (see `held_out_loss`); no losses where there is
        one group and so nothing to choose by.
    """
    first, *others = features
    if len(set(groups.tolist())) < 2:
        return first, {}
    losses = {
        mode: held_out_loss(seen, categories, groups, seed) for mode, seen in features.items()
    }
    best = min(others, key=losses.__getitem__, default=first)
    chosen = best if losses[best] < CLEARLY * losses[first] else first
    said = ", ".join(f"{mode} {loss:.3f}" for mode, loss in losses.items())
    _LOG.info("Photos are framed by %s. Log loss on groups left out: %s.", chosen, said)
    return chosen, losses
