"""Fit what names can't say: how close a listing is to those of each known category.

Measured and chosen on listings of categories that were left out, and on others that taught nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax

from ...core.arrays import Bools, Floats, Ints
from ...embedding.listings import EmbeddedListings
from ...fusion.pool import fit_weights
from ...fusion.views import View
from .alignment import Alignment
from .class_means import ClassMeans
from .classifier import ZeroShot
from .held_out_gain import paired_gain
from .image_text_space import Slopes
from .joint_space import BOTH, PATTERNS, KnownCategories, NameEvidence, Weights

MIN_TAUGHT = 50
"""Fewer listings than this show nothing of a left-out category."""
N_PARTS = 3
"""Each part of the categories is left out once."""
STRENGTHS = (1.0, 2.0, 4.0, 8.0)
"""Logits per unit of closeness to choose from."""


@dataclass(frozen=True)
class Pairs:
    """Listings that have both photo and title.

    Parameters
    ----------
    folds, groups, duplicates
        Shape ``(n,)``.
    """

    embedded: EmbeddedListings
    folds: Ints
    groups: Ints
    duplicates: Ints

    def align(self, rows: Bools) -> Alignment:
        """Align some of them."""
        return Alignment.fit(self.embedded.photo.array[rows], self.embedded.title.array[rows])


class _Held(NamedTuple):
    """Listings that taught nothing, seen by one pattern of views."""

    pattern: str
    rows: Ints
    evidence: NameEvidence


@dataclass(frozen=True)
class Naming:
    """The listings again, with the columns of their categories: to fit what names can't say."""

    pairs: Pairs
    labels: Ints
    text_space: tuple[Floats, Floats]
    zero_shot: ZeroShot
    slopes: Slopes
    min_of_category: int

    def known(
        self, taught: Bools, alignment: Alignment, rounds: Sequence[tuple[Bools, Alignment]]
    ) -> KnownCategories | None:
        """Fit means on some rows; what is usual comes from rows that each round leaves out."""
        known = self._means(taught, alignment)
        held = [
            distances
            for new, aligned in rounds
            if (means := self._means(taught & ~new, aligned))
            for distances in [self._own_distances(new, aligned, means)]
        ]
        if known is None or not sum(len(own) for own, _ in held):
            return None
        photo, title = (np.concatenate(each) for each in zip(*held, strict=True))
        return replace(
            known, photo=known.photo.with_usual(photo), title=known.title.with_usual(title)
        )

    def weights(self) -> tuple[Weights | None, dict[str, Any]]:
        """Choose what closeness counts; None where left-out categories gain nothing by it."""
        held = {"left_out": list(self._left_out()), "known": list(self._left_out(known=True))}
        if not all(held.values()):
            return None, {}
        every = np.ones(len(self.labels), bool)
        weights = {pattern: self._strongest(held, pattern, every) for pattern in PATTERNS}
        odd, gains = self.pairs.duplicates % 2 == 1, {}
        halves = [self._strongest(held, BOTH, odd), self._strongest(held, BOTH, ~odd)]
        by_name = self._prior(BOTH, 0.0)
        for what, some in held.items():
            both = [each for each in some if each.pattern == BOTH]
            rows = np.concatenate([each.rows for each in both])
            now = np.concatenate([self._right(each, by_name) for each in both])
            by_half = [np.concatenate([self._right(each, own) for each in both]) for own in halves]
            # each half by what the other half chose
            after = np.where(odd[rows], by_half[1], by_half[0])
            gains[what] = paired_gain(now, after, self.pairs.groups[rows])
        facts = {what: gain._asdict() for what, gain in gains.items()}
        lost = gains["known"].high < 0
        if lost or not gains["left_out"].shown:
            return None, facts
        every_held = [each for some in held.values() for each in some]
        return {
            pattern: self._calibrated(every_held, pattern, weights[pattern]) for pattern in weights
        }, facts

    def _left_out(self, *, known: bool = False) -> Iterator[_Held]:
        """Show the listings of left-out categories, or others that taught nothing, as evidence."""
        names = np.unique(self.labels)
        for part in range(N_PARTS):
            of_part = np.isin(self.labels, names[part::N_PARTS])
            others = ~np.isin(self.pairs.duplicates, self.pairs.duplicates[of_part])
            new = others & (self.pairs.folds % N_PARTS == part)
            taught = others & ~new
            if taught.sum() < MIN_TAUGHT:
                continue
            alignment = self.pairs.align(taught)
            means = self._means(taught, alignment)
            if means is None:
                continue
            own = self._own_distances(new, alignment, means)
            if not len(own[0]):
                continue
            means = replace(
                means, photo=means.photo.with_usual(own[0]), title=means.title.with_usual(own[1])
            )
            rows = np.flatnonzero(new if known else of_part)
            for pattern, (photo, title) in PATTERNS.items():
                some = _only(self.pairs.embedded.take(rows.tolist()), photo=photo, title=title)
                space = self.text_space[0][rows] * photo, self.text_space[1][rows] * title
                evidence = means.evidence(alignment, self.zero_shot.prototypes, some, space)
                yield _Held(pattern, rows, evidence)

    def _means(self, taught: Bools, alignment: Alignment) -> KnownCategories | None:
        n = np.bincount(self.labels[taught], minlength=len(self.zero_shot.names))
        names = np.flatnonzero(n >= self.min_of_category)
        if len(names) < 2 or n.max() < 2:
            return None
        rows = taught & np.isin(self.labels, names)
        column = np.searchsorted(names, self.labels[rows])
        photo, title = (ClassMeans.fit(points, column) for points in self._points(rows, alignment))
        return KnownCategories(tuple(self.zero_shot.names[i] for i in names), photo, title, {})

    def _own_distances(
        self, new: Bools, alignment: Alignment, means: KnownCategories
    ) -> tuple[Floats, Floats]:
        """Distances of new listings to their own categories, by photo and by title."""
        column = {self.zero_shot.names.index(name): i for i, name in enumerate(means.names)}
        rows = new & np.isin(self.labels, list(column))
        own = np.arange(rows.sum()), np.array([column[i] for i in self.labels[rows]], int)
        photo, title = self._points(rows, alignment)
        return means.photo.distances(photo)[own], means.title.distances(title)[own]

    def _points(self, rows: Bools, alignment: Alignment) -> tuple[Floats, Floats]:
        embedded = self.pairs.embedded
        return (
            alignment.photo_points(embedded.photo.array[rows]),
            alignment.title_points(embedded.title.array[rows]),
        )

    def _prior(self, pattern: str, strength: float) -> tuple[float, ...]:
        """Names count as in the space itself: fitted on known names they serve new ones worse."""
        s = self.slopes
        of_names = {
            "photo": (s.photo_alone,),
            "title": (s.title_alone,),
            BOTH: (s.photo_beside_title, s.title_beside_photo),
        }
        return (*of_names[pattern], strength)

    def _right(self, held: _Held, weights: tuple[float, ...]) -> Bools:
        answers = held.evidence.classify({held.pattern: weights})
        return np.asarray(answers.argmax(axis=1) == self.labels[held.rows])

    def _calibrated(
        self, held: Sequence[_Held], pattern: str, weights: tuple[float, ...]
    ) -> tuple[float, ...]:
        """Scale weights so that what they answer is as sure as it is right."""
        own = [each for each in held if each.pattern == pattern]
        rows = [each.evidence.rows(pattern) for each in own]
        answers = [
            log_softmax(each.evidence.logits(pattern, weights, there), axis=1)
            for each, there in zip(own, rows, strict=True)
        ]
        labels = [self.labels[each.rows[there]] for each, there in zip(own, rows, strict=True)]
        scale = float(fit_weights([np.concatenate(answers)], np.concatenate(labels))[0])
        return tuple(scale * weight for weight in weights)

    def _strongest(
        self, held: dict[str, list[_Held]], pattern: str, chosen: Bools
    ) -> tuple[float, ...]:
        """Take the strength with the best harmonic mean of both shares (Xian et al. 2018)."""

        def harmonic(weights: tuple[float, ...]) -> float:
            shares = [
                np.mean(
                    np.concatenate(
                        [
                            self._right(each, weights)[chosen[each.rows]]
                            for each in some
                            if each.pattern == pattern
                        ]
                    )
                )
                for some in held.values()
            ]
            return float(2 * shares[0] * shares[1] / max(shares[0] + shares[1], 1e-9))

        return max((self._prior(pattern, strength) for strength in STRENGTHS), key=harmonic)


def _only(embedded: EmbeddedListings, *, photo: bool, title: bool) -> EmbeddedListings:
    """Hide photos or titles."""

    def shown(view: View, there: bool) -> View:
        return View(view.array * there, view.present & there)

    return replace(embedded, photo=shown(embedded.photo, photo), title=shown(embedded.title, title))
