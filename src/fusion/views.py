"""Views: what the classifier sees of a listing, each as an array with a mask of who has it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix, issparse

from ..core.arrays import Bools, Floats, Ints

Features: TypeAlias = Floats | csr_matrix
Modalities: TypeAlias = frozenset[str]

PHOTO, TITLE, DESCRIPTION = "photo", "title", "description"
PROTOTYPES = "prototypes"
ALONE = "view"
"""What a view is called where there is only one."""


@dataclass(frozen=True)
class View:
    """One view of n listings.

    Parameters
    ----------
    features
        Shape ``(n, d)``, dense or sparse float32; a row that isn't there is zero.
    present
        Shape ``(n,)``; False where the listing has no such view.
    in_encoder_train_set
        Shape ``(n,)``; True where the features come from an encoder that was fine-tuned on this
        very row. It looks more certain there than on new rows, so such a row may teach but never
        calibrate. None if there is none.
    fold_encoders
        The same rows by encoders that were fine-tuned like this one, but each without a part of the
        rows: those that aren't `in_encoder_train_set` to it. There it stands in for this one.
    """

    features: Features
    present: Bools
    in_encoder_train_set: Bools | None = None
    fold_encoders: "tuple[View, ...]" = ()

    def __post_init__(self) -> None:
        if self.features.shape[0] != self.present.shape[0]:
            raise ValueError(
                f"A view's features and mask must have as many rows, "
                f"got {self.features.shape[0]} and {self.present.shape[0]}."
            )

    @property
    def calibration_mask(self) -> Bools:
        """Which rows say how this view does on new listings; shape ``(n,)``."""
        if self.fold_encoders:
            return np.asarray(
                np.any([view.calibration_mask for view in self.fold_encoders], axis=0)
            )
        return (
            self.present
            if self.in_encoder_train_set is None
            else self.present & ~self.in_encoder_train_set
        )

    @property
    def array(self) -> Floats:
        """The features of a view that is known to be dense."""
        if not isinstance(self.features, np.ndarray):
            raise TypeError("A view must be dense here, got a sparse one.")
        return self.features

    def dense(self) -> Floats | None:
        """Give the features as a plain array; None if no listing has this view."""
        if not self.present.any():
            return None
        return self.features.toarray() if issparse(self.features) else self.features

    def take(self, rows: Any) -> "View":
        """Keep some rows (indices or a mask)."""
        in_encoder_train_set = (
            None if self.in_encoder_train_set is None else self.in_encoder_train_set[rows]
        )
        fold_encoders = tuple(view.take(rows) for view in self.fold_encoders)
        return View(self.features[rows], self.present[rows], in_encoder_train_set, fold_encoders)


Views: TypeAlias = Mapping[str, View]


def modality(view: str) -> str:
    """Name the part of the listing that a view looks at.

    >>> modality("title_tfidf")
    'title'
    """
    return view.split("_")[0]


def with_prototypes(views: Views) -> dict[str, View]:
    """Show every dense view once more, to the expert that goes by prototypes.

    >>> seen = View(np.eye(2), np.ones(2, dtype=bool))
    >>> list(with_prototypes({"title_embedding": seen}))
    ['title_embedding', 'title_prototypes']
    """
    dense = {name: view for name, view in views.items() if isinstance(view.features, np.ndarray)}
    return {**views, **{f"{modality(name)}_{PROTOTYPES}": view for name, view in dense.items()}}


def all_patterns(names: Mapping[str, object]) -> list[Modalities]:
    """List every non-empty set of the modalities that views belong to."""
    parts = sorted({modality(name) for name in names})
    sizes = range(1, len(parts) + 1)
    return [frozenset(chosen) for size in sizes for chosen in combinations(parts, size)]


def have_sisters(labels: Ints, folds: Ints) -> Bools:
    """Tell which rows' category has examples in another fold as well; shape ``(n,)``.

    The others can't be answered by whoever hasn't seen their fold, so they calibrate nothing.
    """
    own_labels, _ = np.unique(np.stack([labels, folds]), axis=1)
    return np.asarray(np.bincount(own_labels)[labels] > 1)


def take(views: Views, rows: Any) -> dict[str, View]:
    """Keep some rows of every view."""
    return {name: view.take(rows) for name, view in views.items()}


class Round(NamedTuple):
    """One round of asking models about listings that they haven't learned.

    Parameters
    ----------
    views
        Of all rows.
    train_mask, predict_mask
        Shape ``(n,)``: rows that a model is fitted on, and rows that it answers then.
    fold encoder
        Number of the fold encoder whose views these are.
    """

    views: dict[str, View]
    train_mask: Bools
    predict_mask: Bools
    fold_encoder: int | None = None


def rounds(views: Views, folds: Ints, asked: Bools | None = None) -> list[Round]:
    """Plan how every row is asked about once, by models that know neither it nor its duplicates.

    Without fold encoders it is a round for each fold. With them it is one for each: a model
    is fitted on what the fold encoder has learned, and asked what it hasn't, as the final model is
    fitted on what the average has learned and asked about new listings. Rows that are new to all of
    them are asked, and else learned from, fold by fold.

    Parameters
    ----------
    folds
        Shape ``(n,)``; duplicates share a fold.
    asked
        Shape ``(n,)``, the rows whose answers are wanted; None: all.
    """
    planned = _rounds_of_all(views, folds)
    if asked is None:
        return planned
    fewer = [each._replace(predict_mask=each.predict_mask & asked) for each in planned]
    return [each for each in fewer if each.predict_mask.any()]


def _rounds_of_all(views: Views, folds: Ints) -> list[Round]:
    average = next((view for view in views.values() if view.fold_encoders), None)
    if average is None or average.in_encoder_train_set is None:
        return [Round(dict(views), folds != fold, folds == fold) for fold in np.unique(folds)]
    planned = []
    new = ~average.in_encoder_train_set
    turns = folds if new.any() else np.zeros_like(folds)
    for number, fold_encoder in enumerate(average.fold_encoders):
        known = (
            np.zeros_like(new)
            if fold_encoder.in_encoder_train_set is None
            else fold_encoder.in_encoder_train_set
        )
        seen = {
            name: v.fold_encoders[number] if v.fold_encoders else v for name, v in views.items()
        }
        for turn in np.unique(turns):
            own = turns == turn
            planned.append(Round(seen, known | (new & ~own), ~known & own, number))
    return planned


def n_rows(views: Views) -> int:
    """Count the listings."""
    return next((len(view.present) for view in views.values()), 0)


def restrict(views: Views, modalities: Iterable[str]) -> dict[str, View]:
    """Act as if listings had only these modalities (the arms of a comparison)."""
    kept = set(modalities)
    return {name: view for name, view in views.items() if modality(name) in kept}


def patterns(views: Views) -> list[Modalities]:
    """Tell each row's modalities; a modality is there if one of its views is.

    Returns
    -------
    list of frozenset
        One for each row, in order.
    """
    names = sorted({modality(name) for name in views})
    there = np.zeros((n_rows(views), len(names)), dtype=bool)
    for name, view in views.items():
        there[:, names.index(modality(name))] |= view.present
    return [frozenset(np.array(names)[row].tolist()) for row in there]


def rows_by_pattern(row_patterns: Sequence[Modalities]) -> dict[Modalities, list[int]]:
    """Gather the rows that have the same modalities."""
    groups: dict[Modalities, list[int]] = {}
    for row, pattern in enumerate(row_patterns):
        groups.setdefault(pattern, []).append(row)
    return groups
