"""What a catalogue's own pairs of photo and title teach beyond what the encoders came with.

It never stands alone: see `fit_joint_space`, which keeps of it what held-out listings gain by.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from ...core.arrays import Bools, Floats
from ...embedding.listings import EmbeddedListings
from ...fusion.views import PHOTO, TITLE, View, Views
from ..ood.conformal import p_values
from .alignment import Alignment
from .class_means import ClassMeans, from_arrays, spread_out
from .prototypes import Prototypes

BOTH = "both"
PATTERNS = {PHOTO: (True, False), TITLE: (False, True), BOTH: (True, True)}
"""What a listing has: a photo, a title."""
Weights = Mapping[str, tuple[float, ...]]
"""Pattern -> logits per unit of its similarities to a name (photo's, title's), and of closeness."""


@dataclass(frozen=True)
class NameEvidence:
    """Of n listings against K names: similarities above baseline, closeness, what is there."""

    photo: Floats
    title: Floats
    closeness: Floats
    photo_there: Bools
    title_there: Bools

    def rows(self, pattern: str) -> Bools:
        """Tell which listings have just this; shape ``(n,)``."""
        photo, title = PATTERNS[pattern]
        return np.asarray((self.photo_there == photo) & (self.title_there == title))

    def logits(self, pattern: str, weights: Sequence[float], rows: Bools) -> Floats:
        """Weigh what counts for a pattern; shape ``(n_rows, K)``."""
        photo, title = PATTERNS[pattern]
        parts = [self.photo] * photo + [self.title] * title + [self.closeness]
        return np.asarray(sum(w * part[rows] for w, part in zip(weights, parts, strict=True)))

    def classify(self, weights: Weights) -> Floats:
        """Answer: probabilities of shape ``(n, K)``, 1/K each for a listing with nothing."""
        logits = np.zeros(self.photo.shape)
        for pattern, own in weights.items():
            rows = self.rows(pattern)
            logits[rows] = self.logits(pattern, own, rows)
        return np.asarray(softmax(logits, axis=1), dtype=np.float32)


@dataclass(frozen=True)
class KnownCategories:
    """The trained categories as listings, beside their names.

    Parameters
    ----------
    names
        Of the categories that have enough listings, K.
    photo, title
        Their means among the aligned photos and titles.
    weights
        Fitted on held-out listings, half of them of left-out categories.
    """

    names: tuple[str, ...]
    photo: ClassMeans
    title: ClassMeans
    weights: Weights

    def evidence(
        self, alignment: Alignment, prototypes: Prototypes, embedded: EmbeddedListings,
        text_space: tuple[Floats, Floats],
    ) -> NameEvidence:  # fmt: skip
        """Compare listings with all names; `text_space` has their photos and titles there."""
        there = embedded.photo.present, embedded.title.present
        points = (
            alignment.photo_points(embedded.photo.array),
            alignment.title_points(embedded.title.array),
        )
        close = [
            spread_out(means.closeness(own), self.names, prototypes.names, present)
            for means, own, present in zip((self.photo, self.title), points, there, strict=True)
        ]
        n_views = np.maximum(np.sum(there, axis=0), 1)[:, None]
        vectors = prototypes.vectors.T
        return NameEvidence(
            text_space[0] @ vectors - prototypes.photo_baseline,
            text_space[1] @ vectors - prototypes.title_baseline,
            (close[0] + close[1]) / n_views,
            *there,
        )


@dataclass(frozen=True)
class JointSpace:
    """An alignment, what is usual in it, and the trained categories in it.

    Parameters
    ----------
    alignment
        Of the pipeline's own encoders.
    similarities, voices
        Shape ``(m,)``: of held-out listings, how like each one's title its photo is (cosine), and
        what each counts; see `ood.conformal.voices`.
    known
        None where names alone sorted held-out listings as well.
    """

    alignment: Alignment
    similarities: Floats
    voices: Floats
    known: KnownCategories | None = None

    def mismatch_p_values(self, embedded: EmbeddedListings) -> Floats:
        """Tell which share of the catalogue's own photos are as unlike their titles; ``(n,)``.

        Small = photo and title belong to different things; NaN without both.
        """
        photos, titles = embedded.photo, embedded.title
        strange = -self.alignment.similarity(photos.array, titles.array)
        found = p_values(-self.similarities, strange, self.voices)
        return np.where(photos.present & titles.present, found, np.nan)

    def across(self, given: Views, spaces: Collection[str]) -> Views:
        """Turn a query by photo or by title into one that an index of `spaces` can answer.

        What such an index can answer stays as it is; else a photo is put among titles, or a title
        among photos.
        """
        if len(given) != 1 or given.keys() & set(spaces):
            return given
        if PHOTO in given and TITLE in spaces:
            photos = given[PHOTO]
            return {TITLE: View(self.alignment.as_titles(photos.array), photos.present)}
        if TITLE in given and PHOTO in spaces:
            titles = given[TITLE]
            return {PHOTO: View(self.alignment.as_photos(titles.array), titles.present)}
        return given

    def to_parts(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """Split into arrays and JSON values, for saving."""
        arrays = {"similarities": self.similarities, "voices": self.voices}
        arrays |= self.alignment.to_arrays()
        if self.known is None:
            return arrays, {}
        for part, means in ((PHOTO, self.known.photo), (TITLE, self.known.title)):
            arrays |= {f"{part}_means|{key}": array for key, array in vars(means).items()}
        weights = {pattern: list(own) for pattern, own in self.known.weights.items()}
        return arrays, {"names": list(self.known.names), "weights": weights}

    @classmethod
    def from_parts(cls, arrays: Mapping[str, Floats], settings: Mapping[str, Any]) -> "JointSpace":
        """Rebuild from what `to_parts` gave."""
        plain = {key: array for key, array in arrays.items() if "|" not in key}
        similarities, voices = plain.pop("similarities"), plain.pop("voices")
        joint = cls(Alignment.from_arrays(plain), similarities, voices)
        if len(similarities) != len(voices):
            raise ValueError("Each similarity must have its voice.")
        if "names" not in settings:
            return joint
        names = tuple(settings["names"])
        photo, title = (
            from_arrays(
                {
                    key.split("|")[1]: array
                    for key, array in arrays.items()
                    if key.startswith(f"{part}_means|")
                },
                len(names),
            )
            for part in (PHOTO, TITLE)
        )
        weights = {pattern: tuple(own) for pattern, own in settings["weights"].items()}
        return replace(joint, known=KnownCategories(names, photo, title, weights))
