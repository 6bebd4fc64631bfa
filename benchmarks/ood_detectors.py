"""Two detectors that the gate doesn't use, for `ood.py` to compare: energy and MSP alone.

Each fits its own logistic regression on unit-length features. Every score: larger = stranger.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import log_softmax
from shelfsure.core.arrays import Floats, Ints, unit_rows
from shelfsure.fusion.heads import LinearHead
from shelfsure.retrieval.ood.detectors import METHODS as OF_THE_GATE
from shelfsure.retrieval.ood.logit_detectors import energy, fit_own_head


@dataclass(frozen=True)
class Energy:
    """Little evidence for any category (Liu et al. 2020)."""

    head: LinearHead

    @classmethod
    def fit(cls, features: Floats, labels: Ints) -> Self:
        return cls(fit_own_head(unit_rows(features), labels))

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, in nats."""
        return energy(self.head.logits(unit_rows(features)))


class Msp(Energy):
    """An unsure answer: the maximum softmax probability is low (Hendrycks & Gimpel 2017)."""

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, 0 to 1."""
        logits = self.head.logits(unit_rows(features))
        return np.asarray(1.0 - np.exp(log_softmax(logits, axis=1).max(axis=1)))


METHODS: dict[str, Any] = {**OF_THE_GATE, "energy": Energy, "msp": Msp}
"""Name -> class with ``fit(features, labels)``: the gate's, and those above."""
