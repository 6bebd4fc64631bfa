"""How unlike a classifier's own features: ViM, outlier exposure.

Each fits its own logistic regression on unit-length features. Every score: larger = stranger.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.utils.extmath import randomized_svd

from ...core.arrays import Floats, Ints, unit_rows
from ...fusion.heads import LinearHead, fit_head

INVERSE_REGULARISATION = 30.0
N_COMPONENTS = 100
"""Dimensions that ViM calls the catalogue's own; measured flat from 100 to half of them all."""


def energy(logits: Floats) -> Floats:
    """Negative log-sum-exp of each row (Liu et al. 2020); shape ``(n,)``, in nats."""
    return np.asarray(-logsumexp(logits, axis=1))


def fit_own_head(features: Floats, labels: Ints) -> LinearHead:
    """Fit logits over the categories that occur; with one category they are all zero."""
    categories, own = np.unique(labels, return_inverse=True)
    if len(categories) == 1:
        nothing = np.zeros((1, features.shape[1]), dtype=np.float32)
        return LinearHead(nothing, np.zeros(1, dtype=np.float32))
    return fit_head(features, own, len(categories), INVERSE_REGULARISATION)


@dataclass(frozen=True)
class Vim:
    """Virtual-logit matching (Wang et al. 2022): energy, and what the main directions leave over.

    Parameters
    ----------
    coefficients, intercepts
        Shapes ``(n_categories, d)`` and ``(n_categories,)``.
    origin
        Shape ``(d,)``, where all logits are equal, or as nearly as can be.
    principal
        Shape ``(d, n_components)``, orthonormal: the directions in which the catalogue varies.
    residual_weight
        Shape ``()``; nats for one unit of residual.
    """

    method: ClassVar[str] = "vim"
    coefficients: Floats
    intercepts: Floats
    origin: Floats
    principal: Floats
    residual_weight: Floats

    @classmethod
    def fit(cls, features: Floats, labels: Ints) -> "Vim":
        x = unit_rows(features)
        head = fit_own_head(x, labels)
        # softmax logits sum to a constant: one singular value is zero but for rounding
        inverse = np.linalg.pinv(head.array, rcond=1e-5)
        origin = (-inverse @ head.intercepts).astype(np.float32)
        deviation = (x - origin).astype(np.float64)
        n_components = max(1, min(N_COMPONENTS, len(x) // 2, x.shape[1] // 2))
        *_, directions = randomized_svd(deviation, n_components, random_state=0)
        principal = np.asarray(directions.T, dtype=np.float32)
        residual = _residual(x - origin, principal).sum()
        best_logits = np.maximum(head.logits(x).max(axis=1), 0.0).sum()
        # no logits (one category) or no residual (constant features): leave the scale alone
        weight = best_logits / residual if min(best_logits, residual) > 1e-6 else 1.0
        return cls(head.array, head.intercepts, origin, principal, np.asarray(weight, np.float32))

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, in nats."""
        x = unit_rows(features)
        logits = x @ self.coefficients.T + self.intercepts
        residual = _residual(x - self.origin, self.principal)
        return np.asarray(self.residual_weight * residual + energy(logits))


def _residual(deviation: Floats, principal: Floats) -> Floats:
    """Length of what lies outside of the principal directions."""
    left = (deviation.astype(np.float64) ** 2).sum(axis=1)
    inside = ((deviation @ principal).astype(np.float64) ** 2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(left - inside, 0.0)))


@dataclass(frozen=True)
class Exposure:
    """Outlier exposure (Hendrycks et al. 2019): the log-odds of being like the outside examples.

    Shapes: coefficients ``(d,)``, intercept ``()``.
    """

    method: ClassVar[str] = "exposure"
    coefficients: Floats
    intercept: Floats

    @classmethod
    def fit(cls, features: Floats, outside: Floats) -> "Exposure":
        """Tell the catalogue's features, shape ``(n, d)``, from the outside's, ``(m, d)``."""
        x = unit_rows(np.concatenate([features, outside]))
        is_outside = np.arange(len(x)) >= len(features)
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300).fit(x, is_outside)
        return cls(
            model.coef_[0].astype(np.float32), np.asarray(model.intercept_[0], dtype=np.float32)
        )

    def ood_score(self, features: Floats) -> Floats:
        """Shape ``(n,)``, in nats; above 0 is more like the outside."""
        return np.asarray(unit_rows(features) @ self.coefficients + self.intercept)
