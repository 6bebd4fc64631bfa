"""The loss: cross-entropy at every level of the category path, fair to rare categories."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ..core.arrays import Floats, Ints

if TYPE_CHECKING:
    import torch

TINY = 1e-12
Imbalance = Literal["logit_adjusted", "weighted", "none"]


class Labels(NamedTuple):
    """Whose a photo is, leaves of shape ``(n,)``: mostly `first`, and `second` as far as mixed.

    `share` says how much of the photo is the first's, 0 to 1.
    """

    first: "torch.Tensor"
    second: "torch.Tensor"
    share: "torch.Tensor"


def balance(counts: Ints, imbalance: Imbalance) -> tuple[Floats, Floats]:
    """What is added to each leaf's logit, and what its photos' losses are multiplied by.

    Logit adjustment (Menon et al. 2021, "Long-tail learning via logit adjustment") adds the log
    share while training, so a frequent category must win by more; when answering, nothing is added.

    Counts are training photos of each leaf; one without any counts as one. Both answers have shape
    ``(n_leaves,)``: the first in nats, the second above 0, on average 1 over the training photos.
    """
    shares = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    added = np.log(shares) if imbalance == "logit_adjusted" else np.zeros(len(counts))
    weights = shares**-0.5 if imbalance == "weighted" else np.ones(len(counts))
    return added.astype(np.float32), (weights / (weights @ shares)).astype(np.float32)


def level_loss(
    logits: "torch.Tensor",
    labels: Labels,
    sums: "Sequence[torch.Tensor]",
    groups: "torch.Tensor",
    *,
    added: "torch.Tensor",
    weights: "torch.Tensor",
    smoothing: float,
) -> "torch.Tensor":
    """Average the cross-entropies of all levels over the batch.

    Parameters
    ----------
    logits
        Shape ``(n, n_leaves)``.
    sums, groups
        See `Taxonomy`.
    added, weights
        See `balance`.
    smoothing
        Share of the target that is spread over all categories, 0 to below 1.

    Returns
    -------
    torch.Tensor
        One number, in nats. It is a plain mean over photos, so the mean over equal parts of a batch
        is that of the whole.
    """
    import torch

    probabilities = torch.softmax(logits.float() + added, dim=1)
    total = torch.zeros(len(logits), device=logits.device)
    for matrix, group in zip(sums, groups, strict=True):
        logs = torch.log((probabilities @ matrix).clamp_min(TINY))
        for leaf, share in ((labels.first, labels.share), (labels.second, 1 - labels.share)):
            hit = logs.gather(1, group[leaf][:, None])[:, 0]
            smoothed = (1 - smoothing) * hit + smoothing * logs.mean(dim=1)
            total = total - share * weights[leaf] * smoothed
    return total.mean() / len(groups)
