"""One additive account of an answer: what each part adds to the log-odds of its category.

Parts have exact Shapley values, what they are made of has Owen's (words, regions of the photo); so
words sum to their text's value, regions to the photo's, parts to the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..core.arrays import Floats
from ..fusion.parts_game import PartsGame
from ..fusion.views import PHOTO, Modalities
from ..text.contributions import WordContributions
from ..vision.regions import WHOLE, Box

NOTHING, ANSWER = "nothing yet", "all together"


@dataclass(frozen=True)
class PhotoRegions:
    """What the regions of a photo are worth.

    Parameters
    ----------
    nats
        Shape ``(rows, columns)``, top row first; sums to the photo's value. Positive speaks for the
        category.
    blurred_nats
        What the photo is worth with all regions blurred. A like share of it is in each region.
    box
        Where on the upright photo the regions lie, in shares of its sides; the model doesn't look
        at what is outside.
    """

    nats: Floats
    blurred_nats: float
    box: Box = WHOLE


@dataclass(frozen=True)
class Account:
    """Why a category's log-odds are what they are, in nats; positive speaks for it.

    ``prior_nats + sum(parts.values()) == answer_nats``, and so with `dividends` for `parts`.

    Parameters
    ----------
    category
        The category that is explained.
    prior_nats
        Its log-odds before anything is seen: by its share of the training listings.
    dividends
        Each set of parts -> what it says beyond all smaller sets inside it (Harsanyi 1963): alone,
        what the part says by itself; together, what is only in the combination. Negative where
        parts say the same, which counts once.
    words
        Part -> words and their values, which sum to the part's; empty if they weren't asked for.
    regions
        Of the photo; None if there is none, or they weren't asked for.
    """

    category: str
    prior_nats: float
    dividends: Mapping[Modalities, float]
    words: Mapping[str, WordContributions] = field(default_factory=dict)
    regions: PhotoRegions | None = None

    @classmethod
    def of(cls, category: str, game: PartsGame) -> "Account":
        """Take the parts' account of a game."""
        return cls(category, game.worth[frozenset()], game.dividends())

    @property
    def parts(self) -> dict[str, float]:
        """Each part's Shapley value: an equal share of every dividend that it has a part in."""
        players = [next(iter(parts)) for parts in self.dividends if len(parts) == 1]
        return {
            player: sum(n / len(parts) for parts, n in self.dividends.items() if player in parts)
            for player in players
        }

    @property
    def answer_nats(self) -> float:
        """The log-odds of the fused answer."""
        return self.prior_nats + sum(self.dividends.values())

    @property
    def photo_text_nats(self) -> float | None:
        """How much photo and text say only together: both, less each alone.

        The Shapley interaction index (Grabisch & Roubens 1999) of the photo and of all text as one
        player. Negative where they say the same; None if one of them isn't there.
        """
        both = [n for parts, n in self.dividends.items() if PHOTO in parts and len(parts) > 1]
        return sum(both) if both else None

    def table(self) -> list[dict[str, str | float]]:
        """Lay the account out: ``part``, ``what`` (a word or region, else empty) and ``nats``.

        Rows without ``what`` sum to the last one.
        """
        rows: list[dict[str, str | float]] = [_row(NOTHING, "", self.prior_nats)]
        for part, nats in self.parts.items():
            rows.append(_row(part, "", nats))
            if part in self.words:
                rows += [_row(part, word.text, word.nats) for word in self.words[part].words]
            if part == PHOTO and self.regions:
                grid = np.ndenumerate(self.regions.nats)
                rows += [_row(part, f"row {r + 1}, column {c + 1}", float(n)) for (r, c), n in grid]
        return [*rows, _row(ANSWER, "", self.answer_nats)]


def _row(part: str, what: str, nats: float) -> dict[str, str | float]:
    return {"part": part, "what": what, "nats": nats}
