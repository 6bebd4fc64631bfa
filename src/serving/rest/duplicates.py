"""Which listings of one request are in the catalogue already, or are each other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...catalog.listing import Listing
from ...pipeline.verdict import Duplicate
from ...retrieval.duplicates.match import DuplicateResult, match_listings
from ...retrieval.duplicates.verdict import DuplicatePair
from .problems import ProblemError
from .schemas import DuplicateBatch, DuplicateItem, DuplicateWithin

if TYPE_CHECKING:
    from ...pipeline.pipeline import ListingPipeline


def duplicate_batch(
    pipeline: "ListingPipeline", items: Sequence[Listing | ProblemError]
) -> DuplicateBatch:
    """Look for duplicates in the pipeline's catalogue and among the items themselves.

    Parameters
    ----------
    items
        A request's listings, or what is wrong with them; the answer names them by their places.
    """
    embedder, retrieval = pipeline.embedder, pipeline.retrieval
    given = {n: item for n, item in enumerate(items) if isinstance(item, Listing)}
    places = list(given)
    embedded = embedder.embed(list(given.values()), description=False)
    usable = [row for row in range(len(places)) if row not in embedded.problems]
    known: dict[int, list[DuplicatePair]] = {}
    if retrieval:
        near = retrieval.neighbours(embedded).by_photo
        known = retrieval.duplicates(embedded, embedder.options.limits, near)
    results = [
        DuplicateItem(index=n, error=item.problem())
        for n, item in enumerate(items)
        if isinstance(item, ProblemError)
    ] + [
        _item(n, item, known.get(row, ()), embedded.problems.get(row))
        for row, (n, item) in enumerate(given.items())
    ]
    placed = [replace(given[places[row]], listing_id=str(places[row])) for row in usable]
    within = match_listings(
        replace(embedded.take(usable), listings=placed),
        model=retrieval.pair_model if retrieval else None,
        limits=embedder.options.limits,
    )
    return DuplicateBatch(
        n_catalogue=retrieval.index.info().n_listings if retrieval and retrieval.index else 0,
        results=sorted(results, key=lambda item: item.index),
        within=_within(within),
        groups=[
            [int(listing.listing_id) for listing in (group.keeper, *group.members)]
            for group in within.groups
        ],
    )


def _item(
    index: int, listing: Listing, known: Sequence[DuplicatePair], problem: str | None
) -> DuplicateItem:
    return DuplicateItem(
        index=index,
        listing_id=listing.listing_id,
        duplicates=[
            Duplicate(
                listing_id=pair.b.listing_id,
                verdict=pair.verdict,
                probability=round(pair.photo.probability, 4),
                evidence=pair.evidence,
            )
            for pair in known
        ],
        error=ProblemError("invalid", problem).problem() if problem else None,
    )


def _within(found: DuplicateResult) -> list[DuplicateWithin]:
    return [
        DuplicateWithin(
            a=int(pair.a.listing_id),
            b=int(pair.b.listing_id),
            verdict=pair.verdict,
            probability=round(pair.photo.probability, 4),
            evidence=pair.evidence,
        )
        for pair in found.pairs
    ]
