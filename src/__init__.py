"""Shelfsure: be sure what goes on the shelf.

>>> from shelfsure import Listing
>>> Listing(listing_id="7", title="Blue cotton towel").title
'Blue cotton towel'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog.catalog import Catalog, read_catalog
    from .catalog.listing import Listing
    from .core.cache import EmbeddingCache
    from .core.errors import ShelfsureError
    from .embedding.run_options import RunOptions
    from .pipeline.explanation import account_listing, explain_listing
    from .pipeline.pipeline import ListingPipeline
    from .pipeline.verdict import Guess, Verdict
    from .retrieval.duplicates.find import find_duplicates
    from .vision.load import PhotoLimits

__all__ = [
    "Catalog",
    "EmbeddingCache",
    "Guess",
    "Listing",
    "ListingPipeline",
    "PhotoLimits",
    "RunOptions",
    "ShelfsureError",
    "Verdict",
    "account_listing",
    "explain_listing",
    "find_duplicates",
    "read_catalog",
]

_HOME = {
    "Catalog": ".catalog.catalog",
    "EmbeddingCache": ".core.cache",
    "Guess": ".pipeline.verdict",
    "Listing": ".catalog.listing",
    "ListingPipeline": ".pipeline.pipeline",
    "PhotoLimits": ".vision.load",
    "RunOptions": ".embedding.run_options",
    "ShelfsureError": ".core.errors",
    "Verdict": ".pipeline.verdict",
    "account_listing": ".pipeline.explanation",
    "explain_listing": ".pipeline.explanation",
    "find_duplicates": ".retrieval.duplicates.find",
    "read_catalog": ".catalog.catalog",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, and `shelfsure --help` needs none of it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
