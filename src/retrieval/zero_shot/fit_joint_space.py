"""Fit a joint space, and keep of it only what held-out listings gain by.

Two questions, each about listings in whole groups that the fit hasn't seen. Does a photo's own
title come up more often than before? Are the listings of left-out categories named rightly more
often, with no loss shown for those of the others? What isn't a gain beyond chance isn't kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...core.arrays import Bools, Floats, Ints, evenly_spaced
from ...embedding.listings import EmbeddedListings
from ...embedding.training_data import TrainingData
from ...fusion.views import View
from ..ood.conformal import voices
from .alignment import Alignment
from .class_means import ClassMeans
from .classifier import ZeroShot
from .held_out_gain import TOP, hits, paired_gain
from .image_text_space import Slopes
from .joint_space import BOTH, PATTERNS, JointSpace, KnownCategories, NameEvidence, Weights

MIN_PAIRS = 200
"""Fewer listings with both photo and title align nothing."""
MAX_PAIRS = 10_000
"""Of more, some are taken, from all along the catalogue."""
N_PARTS = 3
"""Each part of the categories is left out once."""
STRENGTHS = (1.0, 2.0, 4.0, 8.0)
"""Logits per unit of closeness to choose from."""


@dataclass(frozen=True)
class JointFit:
    """A joint space, None where nothing is gained; and what was measured, as JSON values."""

    space: JointSpace | None
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give what was measured, and what of it is kept; empty where there was too little."""
        if not self.facts:
            return {}
        kept = [] if self.space is None else ["retrieval"]
        kept += ["names"] if self.space and self.space.known else []
        return {**self.facts, "kept": kept}


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


def fit_joint_space(
    data: TrainingData,
    text_space: tuple[Floats, Floats] | None,
    zero_shot: ZeroShot | None,
    slopes: Slopes | None,
    min_of_category: int = 1,
) -> JointFit:
    """Align a catalogue's photos and titles.

    Photos that the encoder was fine-tuned on take no part: it places them better than new ones.

    Parameters
    ----------
    text_space
        The listings' photos and titles in the image-text space that is there already, None
        without one; what is kept must be better.
    zero_shot, slopes
        The categories by name, and the space's own slopes.
    min_of_category
        A category with fewer listings is known by its name only.
    """
    rows = np.flatnonzero(data.embedded.photo.calibration_mask & data.embedded.title.present)
    rows = rows[evenly_spaced(len(rows), MAX_PAIRS)]
    if len(rows) < MIN_PAIRS or len(np.unique(data.folds[rows])) < N_PARTS:
        return JointFit(None)
    pairs = Pairs(
        data.embedded.take(rows.tolist()),
        *(each[rows] for each in (data.folds, data.groups, data.grouping.duplicates)),
    )
    before = None if text_space is None else (text_space[0][rows], text_space[1][rows])
    rounds = [(pairs.folds == f, pairs.align(pairs.folds != f)) for f in np.unique(pairs.folds)]
    similarity, after, by_now = (np.zeros(len(rows), kind) for kind in (np.float32, bool, float))
    for new, alignment in rounds:
        photos, titles = pairs.embedded.photo.array[new], pairs.embedded.title.array[new]
        similarity[new] = alignment.similarity(photos, titles)
        after[new] = hits(alignment.as_titles(photos), titles, pairs.duplicates[new])
        by_now[new] = (
            min(1.0, TOP / len(photos))
            if before is None
            else hits(before[0][new], before[1][new], pairs.duplicates[new])
        )
    gain = paired_gain(by_now, after, pairs.groups)
    facts: dict[str, Any] = {"n_pairs": len(rows), "retrieval": gain._asdict()}
    if not gain.shown:
        return JointFit(None, facts)
    whole = pairs.align(np.ones(len(rows), bool))
    space = JointSpace(whole, similarity, voices(pairs.groups))
    if before is not None and zero_shot is not None and slopes is not None:
        column = {name: i for i, name in enumerate(zero_shot.names)}
        labels = np.array([column[data.categories[row]] for row in rows.tolist()])
        task = _Naming(pairs, labels, before, zero_shot, slopes, min_of_category)
        weights, measured = task.weights()
        facts |= measured
        if weights:
            known = task.known(np.ones(len(rows), bool), whole, rounds)
            space = replace(space, known=known and replace(known, weights=weights))
    return JointFit(space, facts)


class _Held(NamedTuple):
    """Listings that taught nothing, seen by one pattern of views."""

    pattern: str
    rows: Ints
    evidence: NameEvidence


@dataclass(frozen=True)
class _Naming:
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
        return (weights if gains["left_out"].shown and not lost else None), facts

    def _left_out(self, *, known: bool = False) -> Iterator[_Held]:
        """Show the listings of left-out categories, or others that taught nothing, as evidence."""
        names = np.unique(self.labels)
        for part in range(N_PARTS):
            of_part = np.isin(self.labels, names[part::N_PARTS])
            others = ~np.isin(self.pairs.duplicates, self.pairs.duplicates[of_part])
            new = others & (self.pairs.folds % N_PARTS == part)
            taught = others & ~new
            if taught.sum() < MIN_PAIRS // 4:
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
