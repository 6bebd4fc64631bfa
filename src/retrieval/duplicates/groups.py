"""Groups of duplicates, each around the listing to keep."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import log2

from ...catalog.listing import Listing
from .title_words import content_words
from .verdict import DuplicatePair


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A listing to keep, and those that say the same, in the order of the catalogue.

    Each member is a direct duplicate of the keeper; `pairs` has its pair with the keeper.
    """

    keeper: Listing
    members: tuple[Listing, ...]
    pairs: tuple[DuplicatePair, ...]


def keeper_order(listings: Sequence[Listing], n_pixels: Mapping[str, int]) -> list[Listing]:
    """Sort listings, given in the order of the catalogue, from the best to keep to the worst.

    First those with both photo and title, then those with fewer words that no other title has
    (misspelt, most likely), the longer description, the photo of about twice the size
    (`n_pixels` by id, margins left out, as far as known; smaller steps are no gain, but a border's
    or a crop's), and last by their order in the catalogue.
    """
    words = {listing.listing_id: set(content_words(listing.title)) for listing in listings}
    n_titles = Counter(chain.from_iterable(words.values()))
    return sorted(
        listings,
        key=lambda listing: (
            not (listing.image and listing.title),
            sum(n_titles[word] == 1 for word in words[listing.listing_id]),
            -len(listing.description or ""),
            -round(log2(max(n_pixels.get(listing.listing_id, 1), 1))),
        ),
    )


def parents_apart(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Keep a listing from merging with one of several variants: it is the parent of them all.

    "Cotton Tee" is no duplicate of "Cotton Tee Wine" where there is "Cotton Tee Mustard", too.
    Only pairs of which one title adds a word are in question.
    """
    variants = {
        frozenset((pair.a.listing_id, pair.b.listing_id))
        for pair in pairs
        if pair.verdict == "variant"
    }
    linked: dict[str, set[str]] = {}
    for pair in pairs:
        if pair.mergeable:
            for one, other in ((pair.a, pair.b), (pair.b, pair.a)):
                linked.setdefault(one.listing_id, set()).add(other.listing_id)

    def is_parent(parent: str, child: str) -> bool:
        return any(frozenset((child, other)) in variants for other in linked[parent])

    return [
        replace(pair, verdict="variant")
        if pair.mergeable
        and pair.extra_words
        and (
            is_parent(pair.a.listing_id, pair.b.listing_id)
            or is_parent(pair.b.listing_id, pair.a.listing_id)
        )
        else pair
        for pair in pairs
    ]


def group_duplicates(
    order: Iterable[Listing], pairs: Iterable[DuplicatePair]
) -> list[DuplicateGroup]:
    """Gather duplicates around keepers, so that no chain of likenesses joins strangers.

    A listing joins a keeper's group only if it is a direct duplicate of the keeper and of more
    than half of the group, and a variant of none of it. So a collage that shows two products
    doesn't make one of them: the bridge stays on one side.

    Parameters
    ----------
    order
        All listings, the best keeper first, see `keeper_order`; ids are unique.

    Returns
    -------
    list of DuplicateGroup
        Groups of two and more, by keeper in the given order; the same for the same input.
    """
    listings = list(order)
    place = {listing.listing_id: number for number, listing in enumerate(listings)}
    links: dict[str, dict[str, DuplicatePair]] = {}
    variants: dict[str, set[str]] = {}
    for pair in pairs:
        ids = (pair.a.listing_id, pair.b.listing_id)
        for one, other in (ids, ids[::-1]):
            if pair.mergeable:
                links.setdefault(one, {})[other] = pair
            elif pair.verdict == "variant":
                variants.setdefault(one, set()).add(other)
    taken: set[str] = set()
    groups = []
    for keeper in listings:
        near = links.get(keeper.listing_id, {})
        if keeper.listing_id in taken or not near:
            continue
        group = [keeper.listing_id]
        # the surest first: it has most say in who else may join
        for name in sorted(near, key=lambda other: (-near[other].photo.probability, place[other])):
            n_linked = sum(member in links[name] for member in group)
            clash = not variants.get(name, set()).isdisjoint(group)
            if name not in taken and 2 * n_linked > len(group) and not clash:
                group.append(name)
        if len(group) > 1:
            taken.update(group)
            names = sorted(group[1:], key=lambda name: place[name])
            members = tuple(listings[place[name]] for name in names)
            groups.append(DuplicateGroup(keeper, members, tuple(near[name] for name in names)))
    return groups
