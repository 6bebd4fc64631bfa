"""What may drift, one signal each: photos, titles, strangeness, flaws of photos, missing parts.

A signal compares the listings that have it with the training listings that have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, get_args

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..fusion.views import View
from ..retrieval.ood.distance_detectors import K, neighbour_distance
from ..vision.quality import FlagName
from .batch import share_p_value, stranger_p_value, tail_p_value
from .log_rows import PARTS
from .logged import LoggedListings
from .neighbours import (
    SplitScores,
    left_out_distances,
    online_p_values,
    online_ranks,
    split_scores,
)
from .reference import Reference

OOD, BOTH = "out of catalogue", "photo and title"
MIN_KNOWN = 20
"""With fewer training listings that have it, a signal says nothing."""
_SEED = 17


class Signal(Protocol):
    """Something that may drift; `rows` are the logged listings that have it, ascending."""

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> Ints: ...

    def stream(self) -> Floats:
        """Rank each of `rows` among all before it: exact online p-values."""
        ...

    def batch(self, chosen: Bools) -> float:
        """Test some of `rows` together: a p-value."""
        ...


@dataclass(frozen=True)
class VectorSignal:
    """Vectors, by their nearest neighbours; shapes ``(n, d)`` and ``(len(rows), d)``."""

    name: str
    rows: Ints
    known: Floats
    new: Floats

    @cached_property
    def _halves(self) -> list[SplitScores]:
        return split_scores(self.known, self.new, np.random.default_rng(_SEED))

    def stream(self) -> Floats:
        return online_p_values(self.known, self.new, np.random.default_rng(_SEED))

    def batch(self, chosen: Bools) -> float:
        return stranger_p_value([SplitScores(known, new[chosen]) for known, new in self._halves])

    def ordinary(self) -> Floats:
        """Tell how ordinary each listing is for training by itself: 0 (strange) to 1.

        Approximate, for showing: `stream` and `batch` are the tests.
        """
        known = np.sort(left_out_distances(self.known))
        distances = neighbour_distance(self.new, self.known, K)
        as_strange = len(known) - np.searchsorted(known, distances)
        return np.asarray((1.0 + as_strange) / (len(known) + 1.0))


@dataclass(frozen=True)
class ScoreSignal:
    """A number of each listing, larger = stranger; shapes ``(n,)`` and ``(len(rows),)``."""

    name: str
    rows: Ints
    known: Floats
    new: Floats

    def stream(self) -> Floats:
        return online_ranks(self.known, self.new, np.random.default_rng(_SEED))

    def batch(self, chosen: Bools) -> float:
        return tail_p_value(self.known, self.new[chosen])


@dataclass(frozen=True)
class ShareSignal(ScoreSignal):
    """Whether each listing has something: 0 or 1."""

    def batch(self, chosen: Bools) -> float:
        n_now, of_now = int(self.new[chosen].sum()), int(chosen.sum())
        return share_p_value(n_now, of_now, int(self.known.sum()), len(self.known))


def weights(signals: Sequence[Signal]) -> list[float]:
    """Share attention out: half to what listings are, half to flaws and missing parts."""
    shares = sum(isinstance(signal, ShareSignal) for signal in signals)
    others = len(signals) - shares
    return [1 / shares if isinstance(s, ShareSignal) else 1 / others for s in signals]


@dataclass(frozen=True)
class Signals:
    """All that can be compared.

    Parameters
    ----------
    kept
        Logged listings that count, one of each group of look-alikes.
    n_known
        Training listings compared with.
    """

    kept: Ints
    n_known: int
    each: Sequence[Signal] = field(default_factory=tuple)

    def vectors(self) -> list[VectorSignal]:
        return [signal for signal in self.each if isinstance(signal, VectorSignal)]


def build_signals(
    reference: Reference, logged: LoggedListings, known_rows: Ints, kept: Ints
) -> Signals:
    """Lay out the signals of these training listings and these logged ones; see `logged.once`."""
    known = reference.embedded.take(known_rows.tolist())
    views = {"photo": (known.photo, logged.photo), "title": (known.title, logged.title)}
    signals: list[Signal] = [
        VectorSignal(name, rows, *vectors)
        for name, chosen in {"photo": ["photo"], "title": ["title"], BOTH: list(PARTS)}.items()
        for rows, *vectors in [_vectors([views[part] for part in chosen], kept)]
        if len(rows) and len(vectors[0]) >= MIN_KNOWN
    ]
    p_values = np.array(logged.column("ood_p_value"), dtype=np.float64)
    rows = kept[np.isfinite(p_values[kept])]
    n = len(known_rows)
    if len(rows) and n >= MIN_KNOWN:  # the training listings' own p-values are spread evenly
        signals.append(ScoreSignal(OOD, rows, -np.arange(1, n + 1) / (n + 1), -p_values[rows]))
    usable = [logged.rows[row]["decision"] != "rejected" for row in kept.tolist()]
    judged = kept[np.array(usable, dtype=bool)]
    for part in PARTS:
        lacks = np.array([part in row["missing"] for row in logged.rows], dtype=np.float64)
        before = (~views[part][0].present).astype(np.float64)
        signals.append(ShareSignal(f"no {part}", judged, before, lacks[judged]))
    measured = [logged.rows[row]["quality"] is not None for row in judged.tolist()]
    signals += _flags(reference, logged, judged[np.array(measured, dtype=bool)])
    return Signals(kept, n, [signal for signal in signals if len(signal.rows)])


def _vectors(pairs: Sequence[tuple[View, View]], kept: Ints) -> tuple[Ints, Floats, Floats]:
    """Put views side by side, of the listings that have all of them."""
    comparable = all(old.features.shape[1] == new.features.shape[1] for old, new in pairs)
    there = np.logical_and.reduce([old.present for old, _ in pairs])
    rows = kept[np.logical_and.reduce([new.present for _, new in pairs])[kept]]
    rows = rows if comparable else rows[:0]
    scale = np.float32(1.0 / np.sqrt(len(pairs)))  # of unit length again
    known = np.hstack([scale * old.array[there] for old, _ in pairs])
    new = np.hstack([scale * new.array[rows] for _, new in pairs])
    return rows, known, new


def _flags(reference: Reference, logged: LoggedListings, rows: Ints) -> list[Signal]:
    if len(reference.quality) < MIN_KNOWN:
        return []
    quality = [logged.rows[row]["quality"] for row in rows.tolist()]
    return [
        ShareSignal(
            flag,
            rows,
            np.array([flag in own for own in reference.quality], dtype=np.float64),
            np.array([flag in own for own in quality], dtype=np.float64),
        )
        for flag in get_args(FlagName)
    ]
