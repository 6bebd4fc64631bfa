"""Which listings come together: of one seller, of one session of photos, or the same thing twice.

A listing that calibrates must not have sisters among those that taught, or the promise holds only
for sellers that are known. Where a catalogue says who is whose (`Listing.group`), that is taken.
Else sessions are looked for: photos of one category that look so much alike that they were
probably taken in one go, of coarser and coarser likeness. What decides is evidence: only where
answers to left-out sessions are much worse than answers to left-out listings has the catalogue
sessions at all.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from ..catalog.groups import Links, components, duplicate_groups, similar_links, title_key
from ..catalog.listing import Listing
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
C = 30.0
Holds: TypeAlias = Literal["new_groups", "same_groups"]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grouping:
    """Which of n listings belong together.

    Parameters
    ----------
    groups
        Shape ``(n,)``, numbers from 0: what folds and parts keep together.
    duplicates
        Shape ``(n,)``: the same listings by `duplicate_groups` alone.
    source
        ``column`` (`Listing.group`), ``sessions`` (found), or ``duplicates`` (nothing coarser).
    found
        How sessions were decided about: ``min_similarity`` (cosine), and the log loss on left-out
        listings and on left-out sessions; empty where nobody looked.
    """

    groups: Ints
    duplicates: Ints
    source: Literal["column", "sessions", "duplicates"]
    found: Mapping[str, float] = field(default_factory=dict)

    @property
    def coarser(self) -> bool:
        """Whether there is more to keep together than duplicates."""
        return self.source != "duplicates"

    def of(self, holds_for: Holds) -> Ints:
        """Give what must be kept together for a promise about new groups, or about these."""
        return self.groups if holds_for == "new_groups" else self.duplicates


def group_listings(
    listings: Sequence[Listing],
    photos: View,
    photo_hashes: Sequence[str | None],
    titles: Sequence[str],
    labels: Sequence[str],
    *,
    n_folds: int = 5,
    seed: int = 0,
    known: Mapping[str, int] | None = None,
) -> Grouping:
    """Group a catalogue's listings by seller or session, as far as that can be told.

    Parameters
    ----------
    listings
        n of them, with their whole category paths.
    photos
        Unit vectors. To an encoder that was fine-tuned on them, all photos of a category are
        alike, so `known` must be given with such.
    photo_hashes, titles
        As in `EmbeddedListings`.
    labels
        Each listing's category, as far down as it is predicted.
    n_folds
        Sessions are as coarse as leaves the typical category so many of them.
    known
        sha256 -> session: what an encoder that was fine-tuned on them was told. Then no sessions
        are looked for.
    """
    duplicates = duplicate_groups(
        photo_hashes,
        [title or None for title in titles],
        photos.dense(),
        has_photo=photos.present,
    )
    named = [listing.group for listing in listings]
    if any(named):
        return Grouping(named_groups(named, duplicates, n_folds), duplicates, "column")
    if known is not None:
        told = [known.get(digest or "") for digest in photo_hashes]
        names = [f"session {own}" if own is not None else None for own in told]
        if not any(names):
            return Grouping(duplicates, duplicates, "duplicates")
        return Grouping(named_groups(names, duplicates, n_folds), duplicates, "sessions")
    paths = [listing.category or "" for listing in listings]
    sessions, found = find_sessions(photos, titles, paths, duplicates, n_folds, seed, labels=labels)
    if sessions is None:
        return Grouping(duplicates, duplicates, "duplicates", found)
    _LOG.warning(
        "Photos of one category with a cosine of %.2f or more seem to be of one session: known "
        "from %.1f times better than new ones. %d groups are kept together.",
        found["min_similarity"],
        found["loss_sessions"] / found["loss_listings"],
        sessions.max() + 1,
    )
    return Grouping(sessions, duplicates, "sessions", found)


def named_groups(names: Sequence[str | None], duplicates: Ints, n_folds: int) -> Ints:
    """Number groups by name; listings without one are grouped by `duplicates`.

    Duplicates that several sellers have bring these together, unless what comes out is too large
    for a fold: then names alone count, and a copy of a known listing is answered as such.
    """
    keys = [name or f"\0{own}" for name, own in zip(names, duplicates.tolist(), strict=True)]
    by_name = np.unique(keys, return_inverse=True)[1]
    joined = components(len(keys), np.hstack([_chain(by_name), _chain(duplicates)]))
    most = max(np.bincount(by_name).max(), len(keys) // n_folds)
    return joined if np.bincount(joined).max() <= most else components(len(keys), _chain(by_name))


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
    sample = _sample(there, categories, seed)
    coarsest = _coarsest(photos.array, buckets, categories, duplicates, sample, n_folds)
    if coarsest is None:
        return None, {}
    sessions = _sessions(photos.array, buckets, duplicates, coarsest)
    losses = [
        _held_out_loss(photos.array[sample], [labels[row] for row in sample], own[sample], seed)
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


def _sample(rows: Ints, categories: Sequence[str], seed: int) -> Ints:
    """Take whole categories at random, so that sessions stay whole, until there are enough rows."""
    own = np.array([categories[row] for row in rows])
    kept = np.zeros(len(rows), dtype=bool)
    for name in np.random.default_rng(seed).permutation(np.unique(own)):
        if kept.sum() < MAX_LISTINGS:
            kept |= own == name
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
    return components(len(duplicates), np.hstack([_chain(duplicates), *links]))


def _chain(groups: Ints) -> Links:
    """Link each row to the next one of its group; shape ``(2, n_links)``."""
    order = np.argsort(groups, kind="stable")
    same = groups[order[1:]] == groups[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]])


def _held_out_loss(features: Floats, categories: Sequence[str], groups: Ints, seed: int) -> float:
    """Log loss of answers about photos to a head that knows no photo of their group, in nats."""
    names, labels = np.unique(categories, return_inverse=True)
    folds = group_folds(categories, groups, min(5, len(np.unique(groups))), seed)
    view = View(unit_rows(features), np.ones(len(labels), dtype=bool))
    logits = held_out_logits(view, labels, len(names), folds, C)
    return log_loss(tempered(logits, fit_temperature(logits, labels)), labels)
