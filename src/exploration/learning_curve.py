"""What more examples of a category would bring: a curve through held-out answers.

Models are fitted on parts of the listings and asked about others. Over the part's share s, a
category's odds of a wrong answer fall as ``s ** -slope``: a power law as long as mistakes are few
(Hestness et al. 2017). Single categories are too small for a slope of their own, so they share one;
each has its own level, drawn towards the mean of all as far as it is uncertain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from tqdm import tqdm

from ..core.arrays import Bools, Floats, Ints
from ..core.parallel import in_parallel
from ..fusion.accept_rule import effective_numbers
from ..fusion.heads import LinearHead, fit_head, tempered
from ..fusion.prototypes import fit_prototypes
from ..fusion.views import PROTOTYPES, Views

SIZES = (0.25, 0.5, 1.0)
C = 30.0
"""Inverse regularisation of the heads; the curve needs the same at every size, not the best."""
N_RESAMPLES = 200
MAX_FACTOR = 10.0
"""Beyond so many times the examples the curve says nothing."""


@dataclass(frozen=True)
class Forecast:
    """What more examples of one category would bring.

    Parameters
    ----------
    n
        Its examples now.
    right
        Share of them that is found by models that haven't seen them, 0 to 1.
    gain, gain_low, gain_high
        What twice the examples would add to that share, with its 95 % interval.
    n_to_halve
        So many more would halve the mistakes; None if more than ten times those that are there.
    """

    n: int
    right: float
    gain: float
    gain_low: float
    gain_high: float
    n_to_halve: int | None


def subset_answers(
    views: Views,
    heads: Mapping[str, LinearHead],
    weights: Mapping[str, float],
    labels: Ints,
    groups: Ints,
    folds: Ints,
    n_categories: int,
    sizes: Sequence[float] = SIZES,
    *,
    seed: int = 0,
    progress: bool = False,
) -> Bools:
    """Fit on parts of all other folds, and tell which listings are answered rightly.

    Parameters
    ----------
    views
        Of n listings; see `with_prototypes`.
    heads, weights
        By view: the temperature and the weight in the pool, as fitted on all.
    sizes
        Shares of the other folds' groups, by category; one group at least.

    Returns
    -------
    Bools
        Shape ``(n_sizes, n)``.
    """
    rank = group_rank(labels, groups, np.random.default_rng(seed))
    said = np.zeros((len(sizes), len(labels), n_categories))
    jobs = [(i, f, name) for i in range(len(sizes)) for f in np.unique(folds) for name in heads]

    def answer(job: tuple[int, int, str]) -> None:
        size, fold, name = job
        view = views[name]
        train = (folds != fold) & view.present & (rank < sizes[size])
        asked = np.flatnonzero((folds == fold) & view.present)
        if len(np.unique(labels[train])) > 1 and len(asked):
            seen = view.features[train], labels[train], n_categories
            head = fit_prototypes(*seen) if name.endswith(PROTOTYPES) else fit_head(*seen, C)
            logits = head.logits(view.features[asked])
            answers[job] = asked, weights[name] * tempered(logits, heads[name].temperature)
        bar.update()

    answers: dict[tuple[int, int, str], tuple[Ints, Floats]] = {}
    with tqdm(total=len(jobs), desc="Learning curve", disable=None if progress else True) as bar:
        in_parallel(answer, jobs)
    for size, fold, name in jobs:
        if (size, fold, name) in answers:
            asked, told = answers[size, fold, name]
            said[size, asked] += told
    return np.asarray(said.argmax(axis=2) == labels) & said.any(axis=2)


def group_rank(labels: Ints, groups: Ints, rng: np.random.Generator) -> Floats:
    """Put each category's groups in a random order; shape ``(n,)``, from 0 to below 1.

    The first of each category is 0, so every part above 0 has it. A group of several categories
    has a place in each.
    """
    rank = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        _, own = np.unique(groups[rows], return_inverse=True)
        n_groups = own.max() + 1
        rank[rows] = rng.permutation(n_groups)[own] / n_groups
    return rank


def forecast_gains(
    right: Bools,
    labels: Ints,
    groups: Ints,
    n_categories: int,
    sizes: Sequence[float] = SIZES,
    *,
    seed: int = 0,
) -> list[Forecast]:
    """Draw the curve through the answers on to twice the examples.

    Parameters
    ----------
    right
        See `subset_answers`; the last size is all.
    groups
        Shape ``(n,)``: listings of one group are right or wrong together.

    Returns
    -------
    list of Forecast
        By category.
    """
    share = np.log(np.asarray(sizes))
    _, group_of = np.unique(groups, return_inverse=True)
    rng, n_groups = np.random.default_rng(seed), int(group_of.max()) + 1
    known = np.bincount(labels, minlength=n_categories)

    def fitted(times: Floats) -> tuple[Floats, float]:
        seen = np.bincount(labels, times, n_categories)
        wrong = [np.bincount(labels, times * ~own, n_categories) for own in right]
        return fit_curve(np.array(wrong, float), np.tile(seen, (len(sizes), 1)), share)

    level, slope = fitted(np.ones(len(labels)))
    spread = level_spread(level, labels, groups)
    draws = []
    for _ in range(N_RESAMPLES):
        drawn = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        _, drawn_slope = fitted(drawn[group_of].astype(float))
        draws.append(_gain(level + spread * rng.standard_normal(n_categories), drawn_slope))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    gain = _gain(level, slope)
    wrong_now = expit(level)
    factor = np.exp(np.minimum((level - logit(wrong_now / 2)) / max(slope, 1e-9), 50.0))
    return [
        Forecast(
            int(known[c]),
            float(1 - wrong_now[c]),
            float(gain[c]),
            float(min(low[c], gain[c])),
            float(max(high[c], gain[c])),
            int(np.ceil((factor[c] - 1) * known[c])) if factor[c] <= MAX_FACTOR else None,
        )
        for c in range(n_categories)
    ]


def level_spread(levels: Floats, labels: Ints, groups: Ints) -> Floats:
    """Tell how uncertain each level is, by Laplace's approximation; a resample knows nothing of
    mistakes that a category without any may still make.

    Returns
    -------
    Floats
        Standard deviations in nats, at most 1; by as many groups as the listings are worth.
    """
    chance = expit(levels)
    worth = np.array(
        [
            effective_numbers(groups[labels == c])[-1] if (labels == c).any() else 0.0
            for c in range(len(levels))
        ]
    )
    return np.asarray(1 / np.sqrt(worth * chance * (1 - chance) + 1))


def fit_curve(wrong: Floats, seen: Floats, log_share: Floats) -> tuple[Floats, float]:
    """Fit ``logit(wrong / seen) = level - slope * log_share``, the slope shared and 0 or more.

    Parameters
    ----------
    wrong, seen
        Shape ``(n_sizes, n_categories)``; a category that isn't seen gets the mean level.
    log_share
        Shape ``(n_sizes,)``.

    Returns
    -------
    Floats, float
        Levels of shape ``(n_categories,)`` with spread 1 around their mean, and the slope.
    """
    n_categories = wrong.shape[1]
    middle = float(logit((wrong.sum() + 0.5) / (seen.sum() + 1)))

    def loss_and_slope(found: Floats) -> tuple[float, Floats]:
        levels, slope, mean = found[:n_categories], found[-2], found[-1]
        odds = levels - slope * log_share[:, None]
        off = levels - mean
        loss = (seen * np.logaddexp(0, odds) - wrong * odds).sum() + 0.5 * (off**2).sum()
        by_odds = seen * expit(odds) - wrong
        by_slope = -(by_odds * log_share[:, None]).sum()
        return float(loss), np.concatenate([by_odds.sum(0) + off, [by_slope, -off.sum()]])

    start = np.concatenate([np.full(n_categories, middle), [0.5, middle]])
    bounds = [(None, None)] * n_categories + [(0.0, 5.0), (None, None)]
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:n_categories], float(found[-2])


def _gain(levels: Floats, slope: float) -> Floats:
    return np.asarray(expit(levels) - expit(levels - slope * np.log(2)))
