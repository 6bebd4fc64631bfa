"""Which listings come together: of one seller, of one session of photos, or the same thing twice.

A listing that calibrates must not have sisters among those that taught, or the promise holds only
for sellers that are known. Where a catalogue says who is whose (`Listing.group`), that is taken;
else sessions are looked for (`sessions`).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

import numpy as np

from ..catalog.groups import components, duplicate_groups, forest
from ..catalog.listing import Listing
from ..core.arrays import Ints
from ..fusion.views import View
from .further_photos import FurtherPhotos
from .session_marks import read_trails
from .sessions import find_sessions

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
        How sessions were decided about: what they were told by, with the size of its links
        (``min_similarity`` is a cosine, others are `Trail.mark`), and the log loss on left-out
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

    def announced(self) -> Self:
        """Say it, where sessions were found: who trains on them should know."""
        if self.source == "sessions" and self.found:
            _LOG.warning(
                "Photos seem to be of one session where there is %s: known sessions are told %.1f "
                "times better than new ones. %d groups are kept together.",
                " or ".join(_said(self.found)),
                self.found["loss_sessions"] / self.found["loss_listings"],
                self.groups.max() + 1,
            )
        return self

    def of(self, holds_for: Holds) -> Ints:
        """Give what must be kept together for a promise about new groups, or about these."""
        return self.groups if holds_for == "new_groups" else self.duplicates


def _said(found: Mapping[str, float]) -> Iterator[str]:
    for sign, size in found.items():
        if sign == "min_similarity":
            yield f"a cosine of {size:.2f} or more within a category"
        elif not sign.startswith("loss_"):
            yield f"a gap of {size:g} {sign} or less"


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
    further: FurtherPhotos | None = None,
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
    further
        What listings show besides: who shares any photo is a duplicate, too.
    """
    stated = stated_groups(listings, photos, photo_hashes, titles, n_folds, further)
    if stated.coarser:
        return stated
    duplicates = stated.duplicates
    if known is not None:
        told = [known.get(digest or "") for digest in photo_hashes]
        names = [f"session {own}" if own is not None else None for own in told]
        if not any(names):
            return Grouping(duplicates, duplicates, "duplicates")
        return Grouping(named_groups(names, duplicates, n_folds), duplicates, "sessions")
    paths = [listing.category or "" for listing in listings]
    trails = read_trails(listings)
    sessions, found = find_sessions(
        photos, titles, paths, duplicates, n_folds, seed, labels=labels, trails=trails
    )
    if sessions is None:
        return Grouping(duplicates, duplicates, "duplicates", found)
    return Grouping(sessions, duplicates, "sessions", found)


def stated_groups(
    listings: Sequence[Listing],
    photos: View,
    photo_hashes: Sequence[str | None],
    titles: Sequence[str],
    n_folds: int,
    further: FurtherPhotos | None = None,
) -> Grouping:
    """Group listings by what they say themselves: a group column, else duplicates alone.

    For listings that measure or calibrate a trained model: sessions aren't looked for among them.
    Parameters are those of `group_listings`.
    """
    duplicates = _sharing_any(photos, photo_hashes, [title or None for title in titles], further)
    named = [listing.group for listing in listings]
    if any(named):
        return Grouping(named_groups(named, duplicates, n_folds), duplicates, "column")
    return Grouping(duplicates, duplicates, "duplicates")


def _sharing_any(
    photos: View,
    photo_hashes: Sequence[str | None],
    titles: Sequence[str | None],
    further: FurtherPhotos | None,
) -> Ints:
    """Group listings that share the title or any photo; see `duplicate_groups`.

    Photos whose vectors aren't known are compared by their bytes.
    """
    if further is None:
        return duplicate_groups(photo_hashes, titles, photos.dense(), has_photo=photos.present)
    n, m = len(titles), len(further.rows)
    given = [photos.dense(), further.photo.dense()]
    like = next((vectors for vectors in given if vectors is not None), np.zeros((0, 1)))
    main, others = (
        np.zeros((size, like.shape[1]), like.dtype) if vectors is None else vectors
        for size, vectors in zip((n, m), given, strict=True)
    )
    rows = duplicate_groups(
        [*photo_hashes, *further.hashes],
        [*titles, *(None for _ in further.rows)],
        np.concatenate([main, others]),
        has_photo=np.concatenate([photos.present, further.photo.present]),
    )
    owners = np.concatenate([np.arange(n), further.rows])
    return components(n, owners[forest(rows)])


def named_groups(names: Sequence[str | None], duplicates: Ints, n_folds: int) -> Ints:
    """Number groups by name; listings without one are grouped by `duplicates`.

    Duplicates that several sellers have bring these together, unless what comes out is too large
    for a fold: then names alone count, and a copy of a known listing is answered as such.
    """
    keys = [name or f"\0{own}" for name, own in zip(names, duplicates.tolist(), strict=True)]
    by_name = np.unique(keys, return_inverse=True)[1]
    joined = components(len(keys), np.hstack([forest(by_name), forest(duplicates)]))
    most = max(np.bincount(by_name).max(), len(keys) // n_folds)
    return joined if np.bincount(joined).max() <= most else components(len(keys), forest(by_name))
