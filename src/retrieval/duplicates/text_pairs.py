"""Pairs of listings, at least one without a photo, whose titles say the same."""

import numpy as np

from ...catalog.listing import Listing
from ...core.arrays import Ints
from ...embedding.listings import EmbeddedListings
from ...text.clean import clean_text
from .candidates import near_pairs
from .title_match import compare_titles
from .title_words import content_words

MIN_TITLE_SIMILARITY = 0.8  # misspelt and reordered titles lie above
ENOUGH_WORDS = 3  # of a title that is all that two listings say: "Mug" twice is no duplicate
N_NEIGHBOURS = 20


def text_pairs(
    embedded: EmbeddedListings, against: EmbeddedListings | None = None
) -> list[tuple[int, int]]:
    """Pair listings of which one at least has no photo, where their titles say the same.

    Rows of `embedded`, and of `against` where that is given; each pair once.
    """
    other = against or embedded
    found: set[tuple[int, int]] = set()
    for asked, stored, swap in (
        (_titled(embedded, no_photo=True), _titled(other), False),
        (_titled(other, no_photo=True), _titled(embedded), True),
    ):
        if not len(asked) or not len(stored):
            continue
        queries, known = (other, embedded) if swap else (embedded, other)
        near = near_pairs(
            [np.asarray(queries.title.array[asked], dtype=np.float32)],
            np.asarray(known.title.array[stored], dtype=np.float32),
            n_neighbours=N_NEIGHBOURS,
            min_similarity=MIN_TITLE_SIMILARITY,
        )
        pairs = np.column_stack([asked[near.rows[:, 0]], stored[near.rows[:, 1]]])
        pairs = pairs[:, ::-1] if swap else pairs
        if against is None:
            pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        found.update((int(a), int(b)) for a, b in pairs)
        if against is None:
            break  # the other direction finds the same
    return sorted(
        (a, b)
        for a, b in found
        if not compare_titles(embedded.listings[a].title, other.listings[b].title).differences
    )


def says_enough(a: Listing, b: Listing) -> bool:
    """Tell whether all that is known of two listings is the same, and enough to be one product.

    A photo that only one has is something that isn't the same.
    """
    texts = [clean_text(listing.description).casefold() for listing in (a, b)]
    if texts[0] != texts[1]:
        return False
    if texts[0]:
        return True
    neither = a.image is None and b.image is None
    return neither and len(content_words(a.title)) >= ENOUGH_WORDS


def _titled(embedded: EmbeddedListings, *, no_photo: bool = False) -> Ints:
    """Rows with a title; with `no_photo` those of them that lack a photo."""
    titled, seen = (np.asarray(v.present, dtype=bool) for v in (embedded.title, embedded.photo))
    return np.flatnonzero(titled & ~seen if no_photo else titled)
