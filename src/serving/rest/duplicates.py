"""Which listings of one request are in the catalogue already, or are each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...catalog.listing import Listing
from ...retrieval.duplicates.match import DuplicateResult, match_listings
from ...retrieval.duplicates.verdict import DuplicatePair

if TYPE_CHECKING:
    from ...pipeline.pipeline import ListingPipeline


@dataclass(frozen=True)
class DuplicateMatches:
    """What looking for duplicates has found; listings are named by their place.

    Parameters
    ----------
    n_catalogue
        Catalogue listings looked through; 0 if the bundle keeps none.
    problems
        Place -> why its photo can't be used.
    known
        Place -> the catalogue's duplicates and variants of it, the surest first.
    within
        The listings among each other; their ids are their places.
    """

    n_catalogue: int
    problems: Mapping[int, str]
    known: dict[int, list[DuplicatePair]]
    within: DuplicateResult


def match_duplicates(pipeline: "ListingPipeline", listings: Sequence[Listing]) -> DuplicateMatches:
    """Look for duplicates in the pipeline's catalogue and among the listings themselves."""
    embedder, retrieval = pipeline.embedder, pipeline.retrieval
    embedded = embedder.embed(listings, description=False)
    usable = [row for row in range(len(listings)) if row not in embedded.problems]
    placed = [replace(listings[row], listing_id=str(row)) for row in usable]
    known: dict[int, list[DuplicatePair]] = {}
    if retrieval:
        near = retrieval.neighbours(embedded).by_photo
        known = retrieval.duplicates(embedded, embedder.options.limits, near)
    return DuplicateMatches(
        n_catalogue=retrieval.index.info().n_listings if retrieval and retrieval.index else 0,
        problems=embedded.problems,
        known=known,
        within=match_listings(
            replace(embedded.take(usable), listings=placed),
            model=retrieval.pair_model if retrieval else None,
            limits=embedder.options.limits,
        ),
    )
