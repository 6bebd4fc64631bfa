"""Which listings of one request are in the catalogue already, or are each other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...catalog.listing import Listing
from ...pipeline.pipeline import ListingPipeline
from ...pipeline.verdict import Duplicate
from ...retrieval.duplicates.match import match_listings
from ...retrieval.duplicates.verdict import DuplicatePair
from .problems import ProblemError
from .schemas import DuplicateBatch, DuplicateItem, DuplicateWithin


def duplicate_batch(
    pipeline: ListingPipeline, items: Sequence[Listing | ProblemError]
) -> DuplicateBatch:
    """Look for duplicates of a request's listings in the catalogue and among each other.

    An item is a listing, or what is wrong with it; the answer names items by their places.
    """
    embedder, retrieval = pipeline.embedder, pipeline.retrieval
    given = {n: item for n, item in enumerate(items) if isinstance(item, Listing)}
    places = list(given)
    embedded = embedder.embed(list(given.values()), description=False)
    usable = [row for row in range(len(places)) if row not in embedded.problems]
    known: dict[int, list[DuplicatePair]] = {}
    if retrieval:
        near = retrieval.neighbours(embedded).by_photo
        known = retrieval.duplicates(embedded, embedder.options, near)
    results = [
        DuplicateItem(index=n, error=item.problem())
        for n, item in enumerate(items)
        if isinstance(item, ProblemError)
    ]
    for row, (n, item) in enumerate(given.items()):
        problem = embedded.problems.get(row)
        results.append(
            DuplicateItem(
                index=n,
                listing_id=item.listing_id,
                duplicates=[
                    Duplicate(listing_id=pair.b.listing_id, **_said(pair))
                    for pair in known.get(row, ())
                ],
                error=ProblemError("invalid", problem).problem() if problem else None,
            )
        )
    placed = [replace(embedded.listings[row], listing_id=str(places[row])) for row in usable]
    within = match_listings(
        replace(embedded.take(usable), listings=placed),
        model=retrieval.pair_model if retrieval else None,
        limits=embedder.options.limits,
    )
    return DuplicateBatch(
        n_catalogue=retrieval.index.info().n_listings if retrieval and retrieval.index else 0,
        results=sorted(results, key=lambda item: item.index),
        within=[
            DuplicateWithin(a=int(pair.a.listing_id), b=int(pair.b.listing_id), **_said(pair))
            for pair in within.pairs
        ],
        groups=[
            [int(listing.listing_id) for listing in (group.keeper, *group.members)]
            for group in within.groups
        ],
    )


def _said(pair: DuplicatePair) -> dict[str, Any]:
    return {
        "verdict": pair.verdict,
        "probability": round(pair.photo.probability, 4),
        "evidence": pair.evidence,
        "mergeable": pair.mergeable,
    }
