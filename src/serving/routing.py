"""Which listings a challenger answers: a stable share, by whose they are."""

import hashlib

from ..catalog.listing import Listing


def share_key(listing: Listing) -> bytes:
    """Name what a listing is drawn by: its group (a seller), else its id, else what it is.

    So a seller is always answered by the same model, and a listing asked for again, too.
    """
    if listing.group or listing.listing_id:
        kind, named = ("group", listing.group) if listing.group else ("id", listing.listing_id)
        return f"{kind}\n{named}".encode("utf-8", "surrogatepass")
    photo = listing.image if isinstance(listing.image, bytes) else str(listing.image or "").encode()
    return (listing.title or "").encode("utf-8", "surrogatepass") + b"\n" + photo


def in_share(listing: Listing, share: float) -> bool:
    """Tell whether the challenger answers this listing.

    It hangs on nothing but the listing and the share: restarts change nothing, and who is in a
    share is in every larger one.

    Parameters
    ----------
    share
        Of all keys, 0 to 1.
    """
    digest = hashlib.sha256(b"shelfsure share\n" + share_key(listing)).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
