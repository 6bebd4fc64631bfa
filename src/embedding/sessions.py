"""Sessions of photos: listings whose photos were probably taken in one go, found by evidence.

Photos of one session are alike, so each answers for the others. Only where answers to left-out
sessions are much worse than answers to left-out listings has a catalogue sessions at all.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..catalog.groups import components, forest, similar_links, title_key
from ..catalog.splits import group_folds
from ..core.arrays import Floats, Ints, unit_rows
from ..fusion.accept_rule import effective_numbers
from ..fusion.calibration import fit_temperature, log_loss
from ..fusion.heads import held_out_logits, tempered
from ..fusion.views import View

SIMILARITIES = tuple(round(0.94 - step / 100, 2) for step in range(15))
"""Cosines from which on two photos may be of one session, from fine to coarse (0.94 to 0.80)."""
WORSE = 1.5
"""A catalogue has sessions where the log loss on left-out ones is so many times as large."""
MIN_LISTINGS, MAX_LISTINGS = 100, 4_000
"""Listings with a photo that it takes to look for sessions, and that suffice to find them."""
MIN_PHOTOS = 5
C = 30.0


def find_sessions(
    photos: View,
    titles: Sequence[str],
    categories: Sequence[str],
    duplicates: Ints,
    n_folds: int,
    seed: int,
    labels: Sequence[str] | None = None,
) -> tuple[Ints | None, dict[str, float]]:
    """Look for sessions of photos.

    Photos are of one session where they are of one category and linked through cosines of a
    certain size, unless their titles differ in more than numbers: then they are different products,
    however alike they were photographed. Of all sizes the smallest is taken (the coarsest
    sessions) that leaves the typical category worth `n_folds` sessions or more.

    Parameters
    ----------
    photos, titles
        Of n listings.
    categories
        Whole category paths.
    duplicates
        Shape ``(n,)``, what belongs together anyway.
    labels
        What answers are about; by default whole paths.

    Returns
    -------
    Ints or None
        Shape ``(n,)``; None if the catalogue has no sessions.
    dict
        The evidence; see `Grouping`.
    """
    there = np.flatnonzero(photos.present)
    labels = categories if labels is None else labels
    if len(there) < MIN_LISTINGS or len({labels[row] for row in there.tolist()}) < 2:
        return None, {}
    buckets = _buckets(there, titles, categories)
    sample = sample_categories(there, categories, MAX_LISTINGS, seed)
    coarsest = _coarsest(photos.array, buckets, categories, duplicates, sample, n_folds)
    if coarsest is None:
        return None, {}
    sessions = _sessions(photos.array, buckets, duplicates, coarsest)
    losses = [
        held_out_loss(photos.array[sample], [labels[row] for row in sample], own[sample], seed)
        for own in (duplicates, sessions)
    ]
    found = {
        "min_similarity": coarsest,
        "loss_listings": losses[0],
        "loss_sessions": losses[1],
    }
    return (sessions if losses[1] >= WORSE * losses[0] else None), found


def _buckets(rows: Ints, titles: Sequence[str], categories: Sequence[str]) -> list[Ints]:
    """Gather the rows that may be of one session: of one category, and of one title if of any."""
    gathered: dict[tuple[str, str], list[int]] = {}
    for row in rows.tolist():
        words = re.sub(r"\S*\d\S*", " ", title_key(titles[row]) or "")
        gathered.setdefault((categories[row], " ".join(words.split())), []).append(row)
    return [np.array(own) for own in gathered.values() if len(own) > 1]


def sample_categories(rows: Ints, categories: Sequence[str], at_most: int, seed: int) -> Ints:
    """Take categories at random until there are enough rows; sessions stay whole.

    Of a category with more than a fifth of them, rows that follow each other are taken, as photos
    of one session do.

    Parameters
    ----------
    rows
        Of all listings; ascending.
    categories
        Of all listings.
    """
    own = np.array([categories[row] for row in rows])
    largest, kept = max(1, at_most // 5), np.zeros(len(rows), dtype=bool)
    rng = np.random.default_rng(seed)
    for name in rng.permutation(np.unique(own)):
        if kept.sum() < at_most:
            among = np.flatnonzero(own == name)
            start = rng.integers(max(1, len(among) - largest + 1))
            kept[among[start : start + largest]] = True
    return rows[kept]


def _coarsest(
    features: Floats,
    buckets: Sequence[Ints],
    categories: Sequence[str],
    duplicates: Ints,
    sample: Ints,
    n_folds: int,
) -> float | None:
    """Find the smallest cosine that leaves half of the categories worth `n_folds` sessions."""
    known = set(sample.tolist())
    own = [rows for rows in buckets if known.issuperset(rows.tolist())]
    names = np.array([categories[row] for row in sample])
    by_category = [sample[names == name] for name in np.unique(names)]
    large = [rows for rows in by_category if len(rows) >= 2 * n_folds]
    coarsest = None
    for similarity in SIMILARITIES if large else ():
        groups = _sessions(features, own, duplicates, similarity)
        if np.median([effective_numbers(groups[rows])[-1] for rows in large]) < n_folds:
            break
        coarsest = similarity
    return coarsest


def _sessions(
    features: Floats, buckets: Sequence[Ints], duplicates: Ints, min_similarity: float
) -> Ints:
    links = [rows[similar_links(features[rows], min_similarity)] for rows in buckets]
    return components(len(duplicates), np.hstack([forest(duplicates), *links]))


def held_out_loss(features: Floats, categories: Sequence[str], groups: Ints, seed: int) -> float:
    """Ask a head about photos of groups that it doesn't know; log loss of its answers, in nats.

    Categories of fewer than `MIN_PHOTOS` are left out; NaN if there is nothing left to tell apart.

    Parameters
    ----------
    features
        Shape ``(n, d)``; brought to unit length.
    categories
        Each photo's.
    groups
        Shape ``(n,)``, at least two different ones.
    """
    counts = Counter(categories)
    asked = [row for row, name in enumerate(categories) if counts[name] >= MIN_PHOTOS]
    categories, groups = [categories[row] for row in asked], groups[asked]
    names, labels = np.unique(categories, return_inverse=True)
    if len(names) < 2:
        return math.nan
    folds = group_folds(categories, groups, min(5, len(np.unique(groups))), seed)
    view = View(unit_rows(features[asked]), np.ones(len(labels), dtype=bool))
    logits = held_out_logits(view, labels, len(names), folds, C)
    return log_loss(tempered(logits, fit_temperature(logits, labels)), labels)
