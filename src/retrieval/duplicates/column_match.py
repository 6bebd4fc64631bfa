"""What do the catalogue's own columns say: are two listings variants of one product?"""

from ...catalog.listing import Listing
from ...catalog.product_columns import PARENT, ProductColumns
from .title_match import Difference


def differing_columns(
    a: Listing, b: Listing, columns_a: ProductColumns, columns_b: ProductColumns
) -> list[Difference]:
    """List what the columns of two listings disagree on; what only one fills in is no disagreement.

    Two children of one parent are variants, and so are parent and child.
    """
    brands = [(listing.brand or "").casefold().split() for listing in (a, b)]
    found = []
    if all(brands) and brands[0] != brands[1]:
        found.append(Difference("brand", a.brand or "", b.brand or "", certain=True))
    parents = columns_a.get(PARENT), columns_b.get(PARENT)
    ids = a.listing_id.casefold(), b.listing_id.casefold()
    if (parents[0] and parents[0] in (parents[1], ids[1])) or parents[1] == ids[0]:
        said = f"{a.listing_id}, of {parents[0] or a.listing_id}"
        other = f"{b.listing_id}, of {parents[1] or b.listing_id}"
        found.append(Difference("variant", said, other, certain=True))
    return found + [
        Difference(name, columns_a[name], columns_b[name], certain=True)
        for name in columns_a
        if name != PARENT and name in columns_b and columns_a[name] != columns_b[name]
    ]
