"""One listing's fused answer as a game of its parts: what it is with some of them, and without."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import logsumexp

from ..core.arrays import Floats
from .classifier import FusionClassifier
from .shapley import coalitions, dividends, inner_weights, shapley_values
from .views import (
    DESCRIPTION,
    PHOTO,
    TITLE,
    Modalities,
    View,
    Views,
    n_rows,
    patterns,
    restrict,
    take,
)


@dataclass(frozen=True)
class PartsGame:
    """The log-odds of one category for every set of a listing's parts, in nats.

    Nobody's worth is what the classifier says of a listing that has nothing: the log-odds of the
    category's share in training.

    Parameters
    ----------
    views
        Of one listing.
    column
        The category's.
    worth
        Each set of parts -> the category's log-odds by these parts alone.
    """

    classifier: FusionClassifier
    views: Views
    column: int
    worth: Mapping[Modalities, float]

    @classmethod
    def of(cls, classifier: FusionClassifier, views: Views, column: int) -> Self:
        """Ask about every set of the parts that the listing has: eight answers at most."""
        there = patterns(views)[0]
        players = [part for part in (PHOTO, TITLE, DESCRIPTION) if part in there]
        worth = {}
        for parts in coalitions(players):
            # as a listing that had no more than these: so the whole is the verdict's very answer
            answer = classifier.log_probabilities(_without_others(views, parts))
            worth[parts] = float(log_odds(answer, column)[0])
        return cls(classifier, views, column, worth)

    @property
    def players(self) -> list[str]:
        """The listing's parts."""
        return [next(iter(parts)) for parts in self.worth if len(parts) == 1]

    def values(self) -> dict[str, float]:
        """Give each part's Shapley value; together they are the answer less nobody's worth."""
        return dict(zip(self.players, shapley_values(self._array()).tolist(), strict=True))

    def dividends(self) -> dict[Modalities, float]:
        """Give each set of parts its Harsanyi dividend, that of nobody left out."""
        found = dict(zip(self.worth, dividends(self._array()).tolist(), strict=True))
        return {parts: nats for parts, nats in found.items() if parts}

    def odds(self, part: str, variants: Views, others: Modalities) -> Floats:
        """Ask with variants in a part's place, and some of the others as they are.

        Parameters
        ----------
        variants
            The part's own views, of m variants of it.

        Returns
        -------
        Floats
            Shape ``(m,)``.
        """
        same = take(restrict(self.views, others - {part}), [0] * n_rows(variants))
        answer = self.classifier.log_probabilities({**same, **restrict(variants, {part})})
        return log_odds(answer, self.column)

    def gains(self, part: str, variants: Views) -> Floats:
        """Give the Shapley value that the part would have as each of its variants, by the others.

        Of a variant that is the part as it stands this is the part's own value, of one that isn't
        there 0. So the Shapley values of what the part is made of, in the game of these gains, are
        Owen's (1977) in the game of the whole, and sum to the part's.
        """
        others = [other for other in self.players if other != part]
        found = np.zeros(n_rows(variants))
        for there, weight in inner_weights(others).items():
            found += weight * (self.odds(part, variants, there) - self.worth[there])
        return found

    def _array(self) -> Floats:
        return np.array(list(self.worth.values()))


def log_odds(log_probabilities: Floats, column: int) -> Floats:
    """Turn log-probabilities, shape ``(n, K)``, into one category's log-odds, ``(n,)``, in nats."""
    exact = np.asarray(log_probabilities, dtype=np.float64)
    others = np.delete(exact, column, axis=1)
    return np.asarray(exact[:, column] - logsumexp(others, axis=1))


def _without_others(views: Views, parts: Modalities) -> Views:
    """Restrict one listing to some parts; with none of them it has a view that isn't there."""
    if parts:
        return restrict(views, parts)
    name, view = next(iter(views.items()))
    return {name: View(view.features, np.zeros_like(view.present))}
