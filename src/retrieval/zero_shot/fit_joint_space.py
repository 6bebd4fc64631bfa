"""Fit a joint space, and keep of it only what held-out listings gain by.

Two questions, each about listings in whole groups that the fit hasn't seen. Does a photo's own
title come up more often than before? Are the listings of left-out categories named rightly more
often, with no loss shown for those of the others? What isn't a gain beyond chance isn't kept.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...core.arrays import Floats, evenly_spaced
from ...embedding.training_data import TrainingData
from ..ood.conformal import voices
from .classifier import ZeroShot
from .fit_known_categories import N_PARTS, Naming, Pairs
from .held_out_gain import TOP, hits, paired_gain
from .image_text_space import Slopes
from .joint_space import JointSpace

MIN_PAIRS = 200
"""Fewer listings with both photo and title align nothing."""
MAX_PAIRS = 10_000
"""Of more, some are taken, from all along the catalogue."""
MAX_NAMES = 1_000
"""Comparing all pairs with more categories than this, three times over, doesn't fit in memory."""


@dataclass(frozen=True)
class JointFit:
    """A joint space, None where nothing is gained; and what was measured, as JSON values."""

    space: JointSpace | None
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give what was measured, and what of it is kept; empty where there was too little."""
        if not self.facts:
            return {}
        kept = [] if self.space is None else ["retrieval"]
        kept += ["names"] if self.space and self.space.known else []
        return {**self.facts, "kept": kept}


def fit_joint_space(
    data: TrainingData,
    text_space: tuple[Floats, Floats] | None,
    zero_shot: ZeroShot | None,
    slopes: Slopes | None,
    min_of_category: int = 1,
) -> JointFit:
    """Align a catalogue's photos and titles.

    Photos that the encoder was fine-tuned on take no part: it places them better than new ones.

    Parameters
    ----------
    text_space
        The listings' photos and titles in the image-text space that is there already, None
        without one; what is kept must be better.
    zero_shot, slopes
        The categories by name, and the space's own slopes.
    min_of_category
        A category with fewer listings is known by its name only.
    """
    photo = data.embedded.photo
    there = photo.present & data.embedded.title.present
    if photo.in_encoder_train_set is not None:
        there &= ~photo.in_encoder_train_set
    rows = np.flatnonzero(there)
    rows = rows[evenly_spaced(len(rows), MAX_PAIRS)]
    if len(rows) < MIN_PAIRS or len(np.unique(data.folds[rows])) < N_PARTS:
        return JointFit(None)
    pairs = Pairs(
        data.embedded.take(rows.tolist()),
        *(each[rows] for each in (data.folds, data.groups, data.grouping.duplicates)),
    )
    before = None if text_space is None else (text_space[0][rows], text_space[1][rows])
    rounds = [(pairs.folds == f, pairs.align(pairs.folds != f)) for f in np.unique(pairs.folds)]
    similarity, after, by_now = (np.zeros(len(rows), kind) for kind in (np.float32, bool, float))
    for new, alignment in rounds:
        photos, titles = pairs.embedded.photo.array[new], pairs.embedded.title.array[new]
        similarity[new] = alignment.similarity(photos, titles)
        after[new] = hits(alignment.as_titles(photos), titles, pairs.duplicates[new])
        by_now[new] = (
            min(1.0, TOP / len(photos))
            if before is None
            else hits(before[0][new], before[1][new], pairs.duplicates[new])
        )
    gain = paired_gain(by_now, after, pairs.groups)
    facts: dict[str, Any] = {"n_pairs": len(rows), "retrieval": gain._asdict()}
    if not gain.shown:
        return JointFit(None, facts)
    whole = pairs.align(np.ones(len(rows), bool))
    space = JointSpace(whole, similarity, voices(pairs.groups))
    if (
        before is not None
        and zero_shot is not None
        and slopes is not None
        and len(zero_shot.names) <= MAX_NAMES
    ):
        column = {name: i for i, name in enumerate(zero_shot.names)}
        labels = np.array([column[data.categories[row]] for row in rows.tolist()])
        task = Naming(pairs, labels, before, zero_shot, slopes, min_of_category)
        weights, measured = task.weights()
        facts |= measured
        if weights:
            known = task.known(np.ones(len(rows), bool), whole, rounds)
            space = replace(space, known=known and replace(known, weights=weights))
    return JointFit(space, facts)
