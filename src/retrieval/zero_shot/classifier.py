"""Zero-shot: categories known by name alone; photo and title both vote by similarity."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from ...core.arrays import Floats, Ints
from ...fusion.calibration import enough_rows
from ...fusion.pool import fit_weights
from .image_text_space import ImageTextSpace, Slopes
from .prototypes import Prototypes, embed_categories

MIN_ROWS = 30
"""Fewer listings than this don't replace the space's own slopes."""


def classify(
    prototypes: Prototypes, slopes: Slopes, photo: Floats | None, title: Floats | None
) -> Floats:
    """Answer for n listings: probabilities of shape ``(n, K)``, 1/K each for one with neither view.

    Parameters
    ----------
    photo, title
        Shape ``(n, d)``, unit vectors in the text space; None, or a zero row, where missing.
    """
    photo, title = _both(photo, title)
    photo_there, title_there = photo.any(axis=1), title.any(axis=1)
    photo_slope = photo_there * np.where(title_there, slopes.photo_beside_title, slopes.photo_alone)
    title_slope = title_there * np.where(photo_there, slopes.title_beside_photo, slopes.title_alone)
    logits = photo_slope[:, None] * _above(photo, prototypes.vectors, prototypes.photo_baseline)
    logits += title_slope[:, None] * _above(title, prototypes.vectors, prototypes.title_baseline)
    return np.asarray(softmax(logits, axis=1), dtype=np.float32)


def fit_slopes(
    prototypes: Prototypes,
    slopes: Slopes,
    photo: Floats | None,
    title: Floats | None,
    labels: Ints,
) -> Slopes:
    """Fit temperatures, and what each view counts, by log loss, where there are labelled listings.

    Prototypes stay as they are, so categories that have listings gain nothing over those without.
    Of very many listings some are looked at; see `enough_rows`.

    Parameters
    ----------
    slopes
        Where there are fewer than MIN_ROWS listings these stay; above, they are the prior.
    photo, title
        As for `classify`.
    labels
        Shape ``(n,)``, the true category's place in ``prototypes.names``.
    """
    photo, title = _both(photo, title)
    views = {
        "photo": (photo, photo.any(axis=1), prototypes.photo_baseline),
        "title": (title, title.any(axis=1), prototypes.title_baseline),
    }
    fitted: dict[str, float] = asdict(slopes)
    for slope_of in (
        {"photo": "photo_alone"},
        {"title": "title_alone"},
        {"photo": "photo_beside_title", "title": "title_beside_photo"},
    ):
        rows = np.flatnonzero(np.all([views[view][1] for view in slope_of], axis=0))
        if len(rows) < MIN_ROWS:
            continue
        rows = rows[enough_rows(len(rows), len(prototypes.names))]
        n_views = len(slope_of)  # the pool's prior is 1 / n_views: here it shall mean the old slope
        experts = []
        for view, slope in slope_of.items():
            vectors, _, baseline = views[view]
            above = _above(vectors[rows], prototypes.vectors, baseline)
            experts.append(log_softmax(n_views * fitted[slope] * above, axis=1))
        weights = fit_weights(experts, labels[rows])
        for slope, weight in zip(slope_of.values(), weights.tolist(), strict=True):
            fitted[slope] *= n_views * weight
    return Slopes(**fitted)


@dataclass(frozen=True)
class ZeroShot:
    """Prototypes and slopes together; build it with `from_names`."""

    prototypes: Prototypes
    slopes: Slopes

    @classmethod
    def from_names(
        cls, names: Sequence[str], descriptions: Sequence[str | None] | None, space: ImageTextSpace
    ) -> "ZeroShot":
        """Start from category names alone; see `embed_categories`."""
        return cls(embed_categories(names, descriptions, space), space.slopes)

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' paths; the columns of every answer."""
        return self.prototypes.names

    def classify(self, photo: Floats | None, title: Floats | None) -> Floats:
        """Probabilities of shape ``(n, K)``; see `classify`."""
        return classify(self.prototypes, self.slopes, photo, title)

    def fitted(self, photo: Floats | None, title: Floats | None, labels: Ints) -> "ZeroShot":
        """Fit the slopes to labelled listings; see `fit_slopes`."""
        return replace(self, slopes=fit_slopes(self.prototypes, self.slopes, photo, title, labels))

    def take(self, names: Sequence[str]) -> "ZeroShot":
        """Keep some categories, in the order given: those without a trained expert, say."""
        return replace(self, prototypes=self.prototypes.take(names))

    def extended(
        self, names: Sequence[str], descriptions: Sequence[str | None] | None, space: ImageTextSpace
    ) -> "ZeroShot":
        """Add categories by name; those that are there already, and the slopes, stay."""
        new = embed_categories(names, descriptions, space)
        return replace(self, prototypes=self.prototypes.extended(new))

    def to_parts(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """Split into arrays and JSON values, for saving."""
        p = self.prototypes
        arrays = {
            "vectors": p.vectors,
            "photo_baseline": p.photo_baseline,
            "title_baseline": p.title_baseline,
        }
        return arrays, {"names": list(p.names), "slopes": asdict(self.slopes)}

    @classmethod
    def from_parts(cls, arrays: Mapping[str, Floats], settings: Mapping[str, Any]) -> "ZeroShot":
        """Rebuild from what `to_parts` gave."""
        prototypes = Prototypes(names=tuple(settings["names"]), **arrays)
        n = len(prototypes.names)
        baselines = (prototypes.photo_baseline, prototypes.title_baseline)
        if len(prototypes.vectors) != n or any(array.shape != (n,) for array in baselines):
            raise ValueError(f"Each of the {n} categories must have one vector and baseline each.")
        return cls(prototypes, Slopes(**settings["slopes"]))


def _above(queries: Floats, vectors: Floats, baseline: Floats) -> Floats:
    """Cosine of each query to each prototype, above its baseline; ``(n, K)``, larger = closer."""
    return np.asarray(queries @ vectors.T - baseline)


def _both(photo: Floats | None, title: Floats | None) -> tuple[Floats, Floats]:
    """Give a missing view zero rows."""
    given = photo if photo is not None else title
    if given is None:
        raise ValueError("Zero-shot needs photos, titles or both, got neither.")
    photo = np.zeros_like(given) if photo is None else photo
    title = np.zeros_like(given) if title is None else title
    if photo.shape != title.shape:
        raise ValueError(
            "Photos and titles must be vectors of one space, one row a listing, got shapes "
            f"{photo.shape} and {title.shape}."
        )
    return photo, title
