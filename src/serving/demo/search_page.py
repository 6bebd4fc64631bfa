"""What a search shows: listings with their photos, a brand's odd look, a file to take away."""

import csv
import io
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from ...retrieval.brands import BrandHint
from ...retrieval.index.store import Neighbour
from ...vision.thumbnails import thumbnail_uri
from ..indexes import BUNDLE
from ..search import SearchResult
from .html import render

PHOTO_PX = 400
"""Of a photo's longer side: larger than it is shown, since it may be enlarged."""
COLUMNS = ("rank", "listing_id", "similarity", "title", "category")


def results_html(result: SearchResult, heading: str, *, link: str = "") -> str:
    """Show what was found under a heading; `link` is the address that shows it again."""
    odd = brand_html(result.brand) if result.brand else ""
    return odd + render(
        "search_results.html.j2",
        found=result.found,
        n_listings=result.n_listings,
        heading=heading,
        photos=_photos(result.found),
        csv=f"data:text/csv;charset=utf-8,{quote(as_csv(result.found))}",
        link=link,
    )


def brand_html(hint: BrandHint) -> str:
    """Show that a listing says one brand and looks like another, with the nearest of both."""
    photos = _photos((hint.nearest_says, hint.nearest_looks_like))
    return render("brand.html.j2", brand=hint, words=brand_words(hint), photos=photos)


def brand_words(hint: BrandHint) -> str:
    """Say what is odd about a brand's look, and how odd it is."""
    return (
        f"A hint, not a verdict. The title says {hint.says} ({hint.n_says:,} listings), but the "
        f"photo looks more like {hint.looks_like}'s ({hint.n_looks_like:,}): its nearest is "
        f"{hint.nearest_looks_like.similarity:.0%} similar, that of {hint.says} "
        f"{hint.nearest_says.similarity:.0%}. Of the catalogue's own listings, "
        f"{hint.own_fraction:.1%} look so much like another brand's."
    )


def as_csv(found: Sequence[Neighbour]) -> str:
    """Write what was found as a CSV file's text.

    >>> print(as_csv([Neighbour("7", 0.51239, "Mug, red", None, None)]).splitlines()[1])
    1,7,0.5124,"Mug, red",
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for rank, near in enumerate(found, 1):
        similarity = round(near.similarity, 4)
        writer.writerow((rank, near.listing_id, similarity, near.title, near.category))
    return text.getvalue()


def search_link(listing_id: str, index: str) -> str:
    """Give the page's address that shows what is like a listing of an index.

    >>> search_link("a b", "bundle")
    '?tab=search&like=a+b'
    """
    asked = {"tab": "search", "like": listing_id} | ({} if index == BUNDLE else {"index": index})
    return f"?{urlencode(asked)}"


def _photos(found: Sequence[Neighbour]) -> dict[str, str | None]:
    return {near.listing_id: thumbnail_uri(near.image, side_px=PHOTO_PX) for near in found}
