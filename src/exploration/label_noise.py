"""How likely is each label wrong: experts pooled by what they say of labels that may be wrong.

A classifier that was fitted to noisy labels, and calibrated on them, has learned to doubt: it
gives each wrong label its share. So the pool's weights are fitted anew, with the noise in the
likelihood (the forward correction of Patrini et al. 2017): a listing bears its true category with
probability ``1 - noise``, else another one, by a matrix of flips that is learned along (Dawid &
Skene 1979). What comes out is a calibrated posterior, so that one half is the cut-off, on any
catalogue.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

from ..core.arrays import Floats, Ints
from ..core.errors import CalibrationError
from ..fusion.pool import PRIOR_STRENGTH

NOISE_PRIOR = (4.4, 100.0)
"""Beta prior of the share of wrong labels, worth 100 listings: most likely 3.3 %, the mean of ten
well-known test sets (Northcutt, Athalye & Mueller 2021)."""
MAX_NOISE = 0.5
FLIP_STRENGTH = 20.0
"""Flips that the guess of what is mistaken for what is worth, by true category."""
N_ROUNDS = 6
_START = 0.05


@dataclass(frozen=True)
class LabelNoise:
    """What experts say of n labels.

    Parameters
    ----------
    weights
        Shape ``(n_experts,)``, each expert's in the pool, above 0.
    noise_fraction
        Share of wrong labels, 0 to 0.5.
    probabilities
        Shape ``(n, n_categories)``: the pool's answer, which doesn't know the listing's own label.
    wrong_probability
        Shape ``(n,)``: that the label is wrong, the label known.
    """

    weights: Floats
    noise_fraction: float
    probabilities: Floats
    wrong_probability: Floats

    def suggested(self, labels: Ints) -> Ints:
        """Give the likeliest category other than the label, shape ``(n,)``."""
        others = self.probabilities.copy()
        others[np.arange(len(labels)), labels] = -1.0
        return np.asarray(others.argmax(axis=1))


def fit_label_noise(log_probabilities: Floats, labels: Ints) -> LabelNoise:
    """Fit weights, the share of wrong labels, and what is mistaken for what, in turns.

    Parameters
    ----------
    log_probabilities
        Shape ``(n_experts, n, n_categories)``, held-out: no expert was fitted on the row that it
        answers. Rows of equal numbers (0) say nothing, as of a missing photo.
    labels
        Shape ``(n,)``, 0 to ``n_categories - 1``.

    Raises
    ------
    CalibrationError
        If there is no expert or no listing, or fewer than two categories.
    """
    answers = np.asarray(log_probabilities, dtype=float)
    if answers.ndim != 3 or 0 in answers.shape or answers.shape[2] < 2:
        raise CalibrationError(
            "Label noise needs answers of one expert or more to one listing or more in two "
            f"categories or more, got the shape {answers.shape}. Add listings."
        )
    guess = likely_flips(answers, labels)
    flips = guess
    for _ in range(N_ROUNDS):
        weights, noise = _fit_weights(answers, labels, flips)
        probabilities = np.exp(_pooled(answers, weights))
        true_and_label = noise * probabilities * flips[:, labels].T
        own = (1 - noise) * probabilities[np.arange(len(labels)), labels]
        evidence = true_and_label.sum(axis=1) + own
        counts = FLIP_STRENGTH * guess
        np.add.at(counts.T, labels, true_and_label / evidence[:, None])
        flips = counts / counts.sum(axis=1, keepdims=True)
    wrong = true_and_label.sum(axis=1) / evidence
    return LabelNoise(weights, noise, probabilities, wrong)


def likely_flips(answers: Floats, labels: Ints) -> Floats:
    """Guess what is mistaken for what: half anything, half what looks alike to the experts.

    Returns
    -------
    Floats
        Shape ``(n_categories, n_categories)``: of a true category's wrong labels, the share that
        names each other one; 0 on the diagonal, rows sum to 1.
    """
    n_categories = answers.shape[2]
    anything = np.full((n_categories, n_categories), 1.0 / (n_categories - 1))
    confused = np.zeros_like(anything)
    np.add.at(confused, labels, np.exp(_pooled(answers, np.full(len(answers), 2 / len(answers)))))
    alike = confused + confused.T
    for flips in (anything, alike):
        np.fill_diagonal(flips, 0.0)
    alike /= np.maximum(alike.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    mixed = anything + alike
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))


def _pooled(answers: Floats, weights: Floats) -> Floats:
    return np.asarray(log_softmax(np.tensordot(weights, answers, axes=1), axis=1))


def _fit_weights(answers: Floats, labels: Ints, flips: Floats) -> tuple[Floats, float]:
    """Find the weights and the share of wrong labels under which these labels are likeliest."""
    n_experts, n = answers.shape[:2]
    rows, equal = np.arange(n), 1.0 / n_experts
    from_other = flips[:, labels].T
    a, b = NOISE_PRIOR

    def loss_and_slope(found: Floats) -> tuple[float, Floats]:
        weights, noise = np.exp(found[:-1]), MAX_NOISE * expit(found[-1])
        probabilities = np.exp(_pooled(answers, weights))
        own, other = probabilities[rows, labels], (probabilities * from_other).sum(axis=1)
        evidence = (1 - noise) * own + noise * other + np.finfo(float).tiny
        reach = noise * from_other
        reach[rows, labels] += 1 - noise
        slopes = probabilities * (reach - evidence[:, None]) / evidence[:, None]
        by_weight = np.einsum("enk,nk->e", answers, slopes) - 2 * PRIOR_STRENGTH * (weights - equal)
        by_noise = ((other - own) / evidence).sum() + (a - 1) / noise - (b - 1) / (1 - noise)
        gained = np.log(evidence).sum() - PRIOR_STRENGTH * ((weights - equal) ** 2).sum()
        gained += (a - 1) * np.log(noise) + (b - 1) * np.log1p(-noise)
        slope = np.append(by_weight * weights, by_noise * noise * (1 - noise / MAX_NOISE))
        return -gained / n, -slope / n

    start = np.append(np.full(n_experts, np.log(equal) + 0.5), logit(_START / MAX_NOISE))
    bounds = [(-6.0, 3.0)] * n_experts + [(-8.0, 6.0)]
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.exp(found[:-1]), float(MAX_NOISE * expit(found[-1]))
