"""The arms that need no training: the nearest neighbours' categories, and names alone."""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from ..catalog.listing import category_prefix
from ..core.arrays import Floats
from ..pipeline.decision import Evidence
from ..retrieval.index.store import Neighbour
from ..retrieval.model import RetrievalModel
from .compare import ArmPredictions

SHARPNESS = 20.0
"""Logits per unit of cosine: a neighbour 0.1 nearer counts seven times as much."""
UNSURE = 0.05
"""Share of the vote that goes to all categories alike, so that none is impossible."""


def retrieval_baselines(
    retrieval: RetrievalModel,
    evidence: Evidence,
    class_names: Sequence[str],
    levels: int,
) -> dict[str, ArmPredictions]:
    """Answer by neighbours in the index and by zero-shot, where the bundle has them."""
    baselines = {}
    if retrieval.index is not None:
        near = [each.neighbours for each in evidence.retrieved]
        votes = neighbour_votes(near, class_names, levels)
        baselines["knn"] = ArmPredictions(votes, np.array([len(row) > 0 for row in near]))
    if retrieval.zero_shot is not None:
        zero_shot = retrieval.zero_shot.take(class_names)
        said = zero_shot.classify(*retrieval.in_text_space(evidence.embedded))
        answered = evidence.embedded.photo.present | evidence.embedded.title.present
        baselines["zero_shot"] = ArmPredictions(said.astype(np.float64), answered)
    return baselines


def neighbour_votes(
    neighbours: Sequence[Sequence[Neighbour]], class_names: Sequence[str], levels: int
) -> Floats:
    """Let neighbours vote for their categories, nearer ones more.

    Returns
    -------
    Floats
        Shape ``(n, n_categories)``, rows sum to 1.
    """
    column = {name: i for i, name in enumerate(class_names)}
    votes = np.full((len(neighbours), len(column)), UNSURE / len(column))
    for row, near in enumerate(neighbours):
        known = [
            (column[name], each.similarity)
            for each in near
            if (name := category_prefix(each.category or "", levels)) in column
        ]
        if not known:
            votes[row] = 1.0 / len(column)
            continue
        columns, similarities = zip(*known, strict=True)
        weights = softmax(SHARPNESS * np.array(similarities))
        np.add.at(votes[row], list(columns), (1.0 - UNSURE) * weights)
    return votes
