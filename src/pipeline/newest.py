"""Training that leans towards the newest listings, where that answers such listings better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..catalog.splits import group_folds
from ..core.arrays import Floats, Ints, evenly_spaced
from ..core.config import Config
from ..embedding.training_data import TrainingData
from ..fusion.adaptation import MAX_TRAINING, N_FOLDS, Labelled
from ..fusion.classifier import LateFusion, trainable
from ..fusion.held_out import MIN_ROWS, HeldOut
from ..fusion.views import Modalities, Views, patterns, restrict, take, with_prototypes

SHARES = (1, 2, 4)
"""All of the newest, their last half and their last quarter are tried: a drift may be young."""
ERRORS = 2.0
"""So many standard errors, of groups, a gain must be: the best of several tries flatters itself."""


@dataclass(frozen=True)
class Leaning:
    """A classifier that was trained on what came before, and moved to the newest listings.

    Parameters
    ----------
    held_out
        Its answers to those of the newest that it hadn't seen; rows as in `TrainingData.labels`.
    n_listings
        The newest, and those of their groups.
    gain
        Log loss on the last of the newest that it saves against training on all alike, in nats a
        listing.
    """

    classifier: LateFusion
    held_out: Mapping[Modalities, HeldOut]
    n_listings: int
    gain: float


def lean_to_newest(
    data: TrainingData, config: Config, newest: Ints, held_out: Mapping[Modalities, HeldOut]
) -> Leaning | None:
    """Try whether what came before is best left to be a start; None if it isn't, or can't be tried.

    After a drift a few hundred newest listings drown among all others. So experts are fitted on
    the others and recalibrated on the newest, as by `shelfsure recalibrate`, prototypes included.
    How many are the newest (see `SHARES`) is chosen by log loss on the last of them, all answers
    held out, and the best is taken if it lowers that by more than `ERRORS` standard errors.

    Parameters
    ----------
    newest
        Rows as in `TrainingData.labels`, the newest last; listings of their groups join them.
    held_out
        Answers by models that took all listings alike.
    """
    sizes = [len(newest) // share for share in SHARES]
    windows = [newest[len(newest) - size :] for size in sizes if size >= MIN_ROWS]
    tried = [each for each in (_moved(data, config, window) for window in windows) if each]
    gains = [_gain(data, held_out, each[1], windows[-1]) for each in tried]
    if not gains:
        return None
    best = int(np.argmax([gain for gain, _ in gains]))
    (gain, error), (classifier, moved, n_listings) = gains[best], tried[best]
    return Leaning(classifier, moved, n_listings, gain) if gain > ERRORS * error else None


def _moved(
    data: TrainingData, config: Config, newest: Ints
) -> tuple[LateFusion, dict[Modalities, HeldOut], int] | None:
    """Fit on what came before, and move to the newest; also give answers, and how many those are.

    None if that can't be tried.
    """
    groups, folds = data.groups[data.trained_rows], data.folds[data.trained_rows]
    new = np.isin(groups, groups[newest])
    rows, others = np.flatnonzero(new), np.flatnonzero(~new)
    views, labels = data.trained_views, data.labels
    if not _can_be_tried(views, labels, folds, groups, rows, others, config):
        return None
    before, _ = LateFusion.fit(
        take(views, others), labels[others], len(data.class_names), folds[others], data.names
    )
    names = [data.categories[row] for row in data.trained_rows[rows]]
    n_folds = min(N_FOLDS, len(np.unique(groups[rows])))
    classifier, answers = before.recalibrated(
        take(views, rows),
        labels[rows],
        group_folds(names, groups[rows], n_folds, config.seed),
        _labelled(views, labels, others[evenly_spaced(len(others), MAX_TRAINING)]),
    )
    held_out = {p: HeldOut(rows[own.rows], own.log_probabilities) for p, own in answers.items()}
    return classifier, held_out, len(rows)


def _can_be_tried(
    views: Views,
    labels: Ints,
    folds: Ints,
    groups: Ints,
    rows: Ints,
    others: Ints,
    config: Config,
) -> bool:
    """Tell whether both parts are large enough, and no encoder knows the newest by heart."""
    known = [view.in_encoder_train_set for view in views.values()]
    return (
        (config.fusion, config.calibration) == (LateFusion.method, "cross")
        and len(np.unique(groups[rows])) > 1
        and any(trainable(v.present[others], labels[others], folds[others]) for v in views.values())
        and not any(own is not None and own[rows].any() for own in known)
    )


def _labelled(views: Views, labels: Ints, rows: Ints) -> dict[str, Labelled]:
    """Take those of `rows` that have a dense view, where they are of two categories or more."""
    found = {}
    for name, view in with_prototypes(views).items():
        there = rows[view.present[rows]]
        if isinstance(view.features, np.ndarray) and len(np.unique(labels[there])) > 1:
            found[name] = Labelled(view.features[there], labels[there])
    return found


def _gain(
    data: TrainingData,
    before: Mapping[Modalities, HeldOut],
    after: Mapping[Modalities, HeldOut],
    rows: Ints,
) -> tuple[float, float]:
    """Mean log loss that is saved on these rows, in nats, and its standard error by groups."""
    views = restrict(data.trained_views, {part for pattern in before for part in pattern})
    own, labels = patterns(views), data.labels
    saved = (_losses(before, labels, own) - _losses(after, labels, own))[rows]
    there = np.isfinite(saved)
    if not there.any():
        return 0.0, 0.0
    gain, n = float(saved[there].mean()), int(there.sum())
    groups = data.groups[data.trained_rows][rows[there]]
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], saved[there] - gain)
    return gain, float(np.sqrt(np.square(sums).sum()) / n)


def _losses(
    held_out: Mapping[Modalities, HeldOut], labels: Ints, own: Sequence[Modalities]
) -> Floats:
    """Log loss of each answer by all that the listing has, shape ``(n,)``; NaN without one."""
    losses = np.full(len(labels), np.nan)
    for pattern, held in held_out.items():
        asked = np.array([own[row] == pattern for row in held.rows], dtype=bool)
        rows = held.rows[asked]
        losses[rows] = -held.log_probabilities[asked, labels[rows]]
    return losses
