"""A catalogue's labels, judged by held-out answers and by the neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..catalog.catalog import Catalog
from ..core.arrays import Bools, Floats, Ints
from ..embedding.training_data import TrainingData
from ..fusion.held_out import HeldOut
from ..fusion.views import TITLE, Modalities
from .findings import Finding
from .label_noise import LabelNoise, fit_label_noise
from .labels import LIKELY, find_doubts, say_doubt
from .witnesses import (
    NEIGHBOURS,
    Witness,
    fused_probabilities,
    modality_witnesses,
    neighbour_votes,
    neighbour_witness,
)


@dataclass(frozen=True)
class JudgedLabels:
    """The n listings of the trained categories.

    Parameters
    ----------
    labels
        Shape ``(n,)``, columns.
    fused
        Shape ``(n, n_categories)``, held-out probabilities.
    witnesses
        By photo, title, description, neighbours: as far as they are there.
    """

    labels: Ints
    fused: Floats
    noise: LabelNoise
    witnesses: Mapping[str, Witness]

    @property
    def wrong(self) -> Bools:
        """Which labels are more likely wrong than right; shape ``(n,)``."""
        return np.asarray(self.noise.wrong_probability > LIKELY)

    @property
    def title(self) -> Witness | None:
        """What titles say; None where too few listings have one."""
        return self.witnesses.get(TITLE)

    def by_listing_id(self, data: TrainingData) -> dict[str, dict[str, float]]:
        """Name the probabilities: listing id -> category -> probability."""
        return {
            data.embedded.listings[row].listing_id: dict(
                zip(data.class_names, probabilities.tolist(), strict=True)
            )
            for row, probabilities in zip(
                data.trained_rows.tolist(), self.noise.probabilities, strict=True
            )
        }


def judge_labels(data: TrainingData, held_out: Mapping[Modalities, HeldOut]) -> JudgedLabels:
    """Judge by a classifier's held-out answers; see `fit_label_noise`.

    Neighbours are witnesses, but have no say in the probability: there they added nothing to the
    heads, which look at the same vectors.
    """
    labels, n_categories = data.labels, len(data.class_names)
    witnesses = modality_witnesses(held_out, len(labels), n_categories)
    said = np.stack([each.log_probabilities for each in witnesses.values()])
    noise = fit_label_noise(said, labels)
    groups, views = data.groups[data.trained_rows], data.trained_views
    votes = [
        neighbour_votes(view.array, view.present, labels, groups, n_categories)
        for view in (views["photo"], views["title_embedding"])
        if view.present.any()
    ]
    if votes:
        witnesses[NEIGHBOURS] = neighbour_witness(np.sum(votes, axis=0))
    return JudgedLabels(
        labels, fused_probabilities(held_out, labels, n_categories), noise, witnesses
    )


def label_findings(judged: JudgedLabels, catalog: Catalog, data: TrainingData) -> list[Finding]:
    """Put doubts about labels into words."""
    names, found = data.class_names, []
    for doubt in find_doubts(judged.noise, judged.fused, judged.witnesses, judged.labels):
        row = int(data.trained_rows[doubt.place])
        label = int(judged.labels[doubt.place])
        found.append(
            Finding(
                doubt.doubt,
                doubt.probability,
                say_doubt(doubt, label, names),
                names[label],
                names[doubt.suggested],
                catalog.rows[row],
                catalog.listings[row].listing_id,
            )
        )
    return found
