"""What a search found, or why nothing could be, in REST's words."""

from ...catalog.listing import Listing
from ...core.errors import (
    ConfigError,
    IndexIncompleteError,
    ListingIndexError,
    PhotoError,
)
from ...pipeline.pipeline import ListingPipeline
from ..search import Searcher
from .problems import ProblemError
from .schemas import BrandLook, SearchAnswer, SearchHit, SearchIn


def search_answer(searcher: Searcher, pipeline: ListingPipeline, asked: SearchIn) -> SearchAnswer:
    """Search as was asked.

    Else a problem: ``not-found`` (such an index, or the listing in it), or ``no-index``.
    """
    by_id = "like" in asked.model_fields_set
    try:
        index = searcher.index(pipeline, asked.index)
        if by_id and not index.records([asked.like]):
            raise ProblemError("not-found", "`like` must be a listing of the index, but isn't.")
    except ConfigError as error:
        detail = "`index` must be `bundle`, or an index's folder: `index/NAME`."
        raise ProblemError("not-found", detail) from error
    except ListingIndexError as error:
        raise ProblemError("no-index", str(error)) from error
    try:
        if by_id:
            result = searcher.by_id(pipeline, asked.like, asked.k, asked.index)
        else:
            listing = Listing(
                title=asked.title or None,
                image=asked.photo if "photo" in asked.model_fields_set else None,
            )
            result = searcher.by_listing(pipeline, listing, asked.k, asked.index)
    except IndexIncompleteError as error:
        raise ProblemError("no-index", str(error)) from error
    except (ConfigError, PhotoError) as error:
        problem = ProblemError("invalid", str(error)).problem()
        return SearchAnswer(n_listings=index.info().n_listings, results=[], error=problem)
    return SearchAnswer(
        n_listings=result.n_listings,
        results=[SearchHit.model_validate(near) for near in result.found],
        brand_hint=BrandLook.model_validate(result.brand) if result.brand else None,
    )
