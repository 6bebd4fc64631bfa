"""Sessions of photos: listings whose photos were probably taken in one go, found by evidence.

Photos of one session are alike, so each answers for the others. Only where answers to left-out
sessions are much worse than answers to left-out listings has a catalogue sessions at all.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..catalog.groups import components, forest, similar_links, title_key
from ..catalog.splits import group_folds
from ..core.arrays import Floats, Ints, unit_rows
from ..fusion.accept_rule import effective_numbers
from ..fusion.calibration import fit_temperature, log_loss
from ..fusion.heads import held_out_logits, tempered
from ..fusion.views import View
from .session_marks import Trail

SIMILARITIES = tuple(round(0.94 - step / 100, 2) for step in range(15))
"""Cosines from which on two photos may be of one session, from fine to coarse (0.94 to 0.80)."""
WORSE = 1.5
"""A catalogue has sessions where the log loss on left-out ones is so many times as large."""
MIN_LOST = 0.01
"""And by so many nats: where hardly anything is wrong, sessions or not make no difference."""
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
    trails: Sequence[Trail] = (),
) -> tuple[Ints | None, dict[str, float]]:
    """Look for sessions of photos.

    Photos are of one session where they are of one category and linked through cosines of a
    certain size, unless their titles differ in more than numbers: then they are different products,
    however alike they were photographed. Or where they lie close to each other on a trail. Of all
    sizes the coarsest is taken that leaves the typical category worth `n_folds` sessions or more.
    Each way of telling is believed by its own evidence; sessions by several are joined, where that
    leaves as many.

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
    trails
        What tells of sessions beside looks.

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
    sample = sample_categories(there, categories, MAX_LISTINGS, seed)
    enough = _Enough(sample, categories, n_folds)
    told = _by_look(photos.array, titles, categories, there, duplicates, enough)
    told += _by_trails(trails, duplicates, enough)
    if not told:
        return None, {}

    def loss(groups: Ints) -> float:
        asked = [labels[row] for row in sample]
        return held_out_loss(photos.array[sample], asked, groups[sample], seed)

    alone = loss(duplicates)
    losses = [loss(own.groups) for own in told]
    least = max(WORSE * alone, alone + MIN_LOST)
    believed = [own for own, lost in zip(told, losses, strict=True) if lost >= least]
    if believed:
        joined = components(len(duplicates), np.hstack([forest(own.groups) for own in believed]))
        if not enough(joined):
            believed = [told[int(np.argmax(losses))]]
            joined = believed[0].groups
    found = {own.sign: own.size for own in believed or told}
    found |= {"loss_listings": alone, "loss_sessions": max(losses)}
    return (joined if believed else None), found


class _Told(NamedTuple):
    """Sessions by one way of telling them: what it goes by, the size of links, the groups."""

    sign: str
    size: float
    groups: Ints


class _Enough:
    """Whether groups leave half of the categories of a sample worth `n_folds` of them."""

    def __init__(self, sample: Ints, categories: Sequence[str], n_folds: int) -> None:
        names = np.array([categories[row] for row in sample])
        by_category = [sample[names == name] for name in np.unique(names)]
        self.known = set(sample.tolist())
        self._large = [rows for rows in by_category if len(rows) >= 2 * n_folds]
        self._n_folds = n_folds

    def __call__(self, groups: Ints) -> bool:
        if not self._large:
            return False
        worth = [effective_numbers(groups[rows])[-1] for rows in self._large]
        return bool(np.median(worth) >= self._n_folds)


def _by_look(
    features: Floats,
    titles: Sequence[str],
    categories: Sequence[str],
    rows: Ints,
    duplicates: Ints,
    enough: _Enough,
) -> list[_Told]:
    """Link photos by cosines, of the smallest size that leaves enough sessions."""
    buckets = _buckets(rows, titles, categories)
    own = [rows for rows in buckets if enough.known.issuperset(rows.tolist())]
    coarsest = None
    for similarity in SIMILARITIES:
        if not enough(_sessions(features, own, duplicates, similarity)):
            break
        coarsest = similarity
    if coarsest is None:
        return []
    groups = _sessions(features, buckets, duplicates, coarsest)
    return [_Told("min_similarity", coarsest, groups)]


def _by_trails(trails: Sequence[Trail], duplicates: Ints, enough: _Enough) -> list[_Told]:
    """Link neighbours on each trail, of the largest gap that leaves enough sessions."""
    told: list[_Told] = []
    for trail in trails:
        for gap in trail.gaps:
            links = [forest(duplicates), trail.links(gap)]
            groups = components(len(duplicates), np.hstack(links))
            if enough(groups):
                told.append(_Told(trail.mark, gap, groups))
                break
    groupings = [tuple(own.groups.tolist()) for own in told]
    alone = tuple(duplicates.tolist())
    return [
        own
        for place, own in enumerate(told)
        if groupings[place] != alone and groupings.index(groupings[place]) == place
    ]


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
