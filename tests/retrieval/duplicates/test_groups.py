from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.catalog.listing import Listing
from shelfsure.retrieval.duplicates.groups import group_duplicates, keeper_order
from shelfsure.retrieval.duplicates.verdict import DuplicatePair, PhotoFinding, Verdict


def listing(name: str) -> Listing:
    return Listing(name, f"Mug {name}", f"{name}.jpg")


def pair(a: str, b: str, verdict: Verdict = "same_product", p: float = 0.9) -> DuplicatePair:
    finding = PhotoFinding("copy", p, 0.9)
    return DuplicatePair(listing(a), listing(b), verdict, finding, 0.9, ())


def names(groups) -> list[tuple[str, ...]]:
    return [(g.keeper.listing_id, *(m.listing_id for m in g.members)) for g in groups]


def test_group_duplicates_splits_a_chain() -> None:
    order = [listing(name) for name in "abcd"]
    chain = [pair("a", "b"), pair("b", "c"), pair("c", "d")]
    assert names(group_duplicates(order, chain)) == [("a", "b"), ("c", "d")]


def test_group_duplicates_keeps_a_bridge_on_one_side() -> None:
    # the collage c shows both a and z, and is the keeper's choice
    order = [listing(name) for name in "caz"]
    groups = group_duplicates(order, [pair("c", "a", p=0.95), pair("c", "z", p=0.9)])
    assert names(groups) == [("c", "a")]


def test_group_duplicates_never_joins_variants() -> None:
    order = [listing(name) for name in "abcd"]
    pairs = [pair(x, y) for x, y in ("ab", "ac", "ad", "bc", "bd")]
    groups = group_duplicates(order, [*pairs, pair("c", "d", "variant")])
    assert names(groups) == [("a", "b", "c")]
    assert names(group_duplicates(order, [pair("a", "b", "variant")])) == []


def test_group_duplicates_leaves_unrelated_titles_apart() -> None:
    finding = PhotoFinding("same_bytes", 1.0, 1.0)
    stolen = DuplicatePair(listing("a"), listing("b"), "same_photo", finding, 0.1, ())
    assert not stolen.mergeable
    assert "little in common" in stolen.evidence
    assert group_duplicates([listing("a"), listing("b")], [stolen]) == []


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8))), st.permutations(range(9)))
def test_group_duplicates_members_are_all_linked_to_their_keeper(links, shuffled) -> None:
    order = [listing(str(n)) for n in shuffled]
    pairs = [pair(str(a), str(b)) for a, b in sorted(links) if a < b]
    groups = names(group_duplicates(order, pairs))
    linked = {frozenset((p.a.listing_id, p.b.listing_id)) for p in pairs}
    everyone = [name for group in groups for name in group]
    assert len(everyone) == len(set(everyone))
    for keeper, *members in groups:
        assert members
        assert all(frozenset((keeper, member)) in linked for member in members)
    assert names(group_duplicates(order, pairs[::-1])) == groups


def test_keeper_order_prefers_the_complete_then_the_longest_then_the_largest() -> None:
    listings = [
        Listing("untitled", None, "a.jpg", "a very long description"),
        Listing("first", "Mug", "b.jpg", "short"),
        Listing("large", "Mug", "c.jpg", "short"),
        Listing("described", "Mug", "d.jpg", "a longer one"),
        Listing("last", "Mug", "e.jpg", "short"),
    ]
    order = keeper_order(listings, {"first": 100, "large": 200, "last": 100})
    assert [x.listing_id for x in order] == ["described", "large", "first", "last", "untitled"]


def test_keeper_order_takes_no_border_for_a_larger_photo() -> None:
    listings = [Listing(name, "Mug", f"{name}.jpg") for name in ("plain", "bordered", "double")]
    order = keeper_order(listings, {"plain": 10_000, "bordered": 10_900, "double": 20_000})
    assert [x.listing_id for x in order] == ["double", "plain", "bordered"]


def test_keeper_order_does_not_keep_the_misspelt_copy() -> None:
    titles = {"wrong": "Ceramic cofee mug", "right": "Ceramic coffee mug", "other": "Coffee pot"}
    listings = [Listing(name, title, "a.jpg", "text") for name, title in titles.items()]
    order = [x.listing_id for x in keeper_order(listings, {"wrong": 9, "right": 1})]
    assert order.index("right") < order.index("wrong")
