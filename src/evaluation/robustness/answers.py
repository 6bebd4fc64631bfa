"""What became of listings: right or wrong, accepted or not, by all they have and by one part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from ...catalog.listing import Listing, category_prefix
from ...core.arrays import Bools
from ...embedding.listings import EmbeddedListings
from ...fusion.views import View
from ...pipeline.pipeline import ListingPipeline
from ...pipeline.shift import ShiftDetector

By: TypeAlias = Literal["listing", "photo", "title"]
"""What an answer goes by: all that a listing has, or one part of it alone."""


@dataclass(frozen=True)
class Answers:
    """What became of n listings; of a disturbed one, if anything was changed.

    Parameters
    ----------
    answered, right, accepted, refused
        Shape ``(n,)``; refused is out of catalogue. All False where there is no answer.
    watch
        Has seen the p-values of all that is answered, in order.
    """

    answered: Bools
    right: Bools
    accepted: Bools
    refused: Bools
    watch: ShiftDetector

    @classmethod
    def empty(cls, n: int, watch: ShiftDetector) -> "Answers":
        answered, right, accepted, refused = np.zeros((4, n), dtype=bool)
        return cls(answered, right, accepted, refused, watch)


def answer(
    pipeline: ListingPipeline,
    rows: Sequence[int],
    listings: Sequence[Listing],
    wanted: Mapping[By, Answers],
) -> None:
    """Judge listings, each by itself, and note what became of them.

    Parameters
    ----------
    rows
        Where each belongs in the arrays of `wanted`.
    """
    if not listings:
        return
    embedder, levels = pipeline.embedder, pipeline.config.levels
    quiet = replace(embedder, options=replace(embedder.options, progress=False))
    together = quiet.embed(listings, description=pipeline.config.description)
    for by, answers in wanted.items():
        embedded = together if by == "listing" else alone(together, by)
        evidence = pipeline.evidence(embedded, pipeline.views(embedded))
        decided = pipeline.policy.decisions(evidence)
        best = evidence.predictions.probabilities.argmax(axis=1)
        for row, listing, said, column in zip(rows, listings, decided, best, strict=True):
            if said == "rejected":
                continue
            true = category_prefix(listing.category or "", levels)
            answers.answered[row] = True
            answers.right[row] = pipeline.class_names[column] == true
            answers.accepted[row] = said == "accept"
            answers.refused[row] = said == "out_of_catalogue"
        answers.watch.watch(each.p_value for each in evidence.retrieved)


def alone(embedded: EmbeddedListings, part: Literal["photo", "title"]) -> EmbeddedListings:
    """Leave all but one part of the listings out."""
    n = len(embedded.listings)
    kept = replace(embedded, description=_gone(embedded.description), descriptions=[""] * n)
    if part == "photo":
        return replace(kept, title=_gone(embedded.title), titles=[""] * n)
    return replace(kept, photo=_gone(embedded.photo), photo_hashes=[None] * n, problems={})


def _gone(view: View) -> View:
    return View(np.zeros_like(view.array), np.zeros_like(view.present))
