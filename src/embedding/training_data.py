"""A catalogue laid out for training: what every stage of it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..core.arrays import Floats, Ints
from ..fusion.views import Views, take
from .grouping import Grouping
from .listings import EmbeddedListings


@dataclass(frozen=True)
class TrainingData:
    """n labelled listings, those of categories too small to train included: they belong as well.

    Parameters
    ----------
    embedded
        The listings, and their vectors by the fold encoders where there are any.
    views
        What the classifier sees of them.
    categories
        Each listing's category, as many levels as are predicted.
    class_names
        Categories with enough listings, in the order of the classifier's columns.
    left_out
        The other categories, and how many listings each has.
    grouping
        Which listings come together.
    groups, folds
        Shape ``(n,)``; those of its groups that the promise is about, each within one fold.
    names
        View name -> shape ``(n_class_names, d)``: the class names' own vectors in it.
    """

    embedded: EmbeddedListings
    views: Views
    categories: Sequence[str]
    class_names: tuple[str, ...]
    left_out: Mapping[str, int]
    grouping: Grouping
    groups: Ints
    folds: Ints
    names: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def taxonomy(self) -> tuple[str, ...]:
        """Categories with a trained expert, in the order of its columns, and without."""
        return (*self.class_names, *self.left_out)

    @cached_property
    def trained_rows(self) -> Ints:
        """The listings of `class_names`."""
        known = set(self.class_names)
        return np.array([row for row, name in enumerate(self.categories) if name in known], int)

    @cached_property
    def other_rows(self) -> Ints:
        """The listings of `left_out`."""
        return np.array([n for n, name in enumerate(self.categories) if name in self.left_out], int)

    @cached_property
    def labels(self) -> Ints:
        """The column of each of `trained_rows`."""
        column = {name: i for i, name in enumerate(self.class_names)}
        return np.array([column[self.categories[row]] for row in self.trained_rows])

    @cached_property
    def trained_views(self) -> Views:
        """The views of `trained_rows`."""
        whole = len(self.trained_rows) == len(self.categories)
        return self.views if whole else take(self.views, self.trained_rows)
