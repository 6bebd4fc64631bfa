from dataclasses import replace

import pytest
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.exploration.findings import ranked
from shelfsure.exploration.pairs import conflicts, group_leaks, measured_leaks, part_leaks
from shelfsure.retrieval.duplicates.verdict import DuplicatePair, PhotoFinding

LAMP = Listing("a", "Red lamp", category="Home > Lamps > Red")
RUG = Listing("b", "Red lamp", category="Home > Rugs")
CATALOG = Catalog((LAMP, RUG), rows=(4, 9))
SAME = DuplicatePair(LAMP, RUG, "same_product", PhotoFinding("copy", 0.9, 0.9), 1.0, ())


@pytest.mark.parametrize(("at_lamps", "listing_id", "row"), [(0.9, "b", 9), (0.1, "a", 4)])
def test_conflicts_would_change_the_less_likely_label(at_lamps, listing_id, row):
    said = {"Home > Lamps": at_lamps, "Home > Rugs": 1 - at_lamps}
    (found,) = conflicts([SAME], CATALOG, 2, {"a": said, "b": said})
    assert (found.listing_id, found.row, found.strength) == (listing_id, row, 0.9)
    assert {found.category, found.suggested} == {"Home > Lamps", "Home > Rugs"}
    assert (found.suggested == "Home > Lamps") == (listing_id == "b")
    assert "photos agree" in found.reason


def test_conflicts_are_none_of_one_category_nor_of_variants():
    assert conflicts([SAME], CATALOG, 1, {}) == []
    assert conflicts([replace(SAME, verdict="variant")], CATALOG, 2, {}) == []


def test_part_leaks_need_two_parts():
    (found,) = part_leaks([SAME], CATALOG, {4: "train", 9: "test"})
    assert (found.kind, found.listing_id) == ("leak", "b")
    assert "in test" in found.reason
    assert "a in train" in found.reason
    for part in ({4: "train", 9: "train"}, {4: "train"}, {}):
        assert part_leaks([SAME], CATALOG, part) == []


def test_group_leaks_are_one_a_group():
    listings = tuple(Listing(str(n), f"t{n}") for n in range(5))
    catalog = Catalog(listings, rows=(1, 2, 3, 4, 5))
    part = {1: "train", 2: "test", 3: "test", 4: "train", 5: "train"}
    (found,) = group_leaks([0, 0, 0, 1, 1], catalog, part)
    assert found.row in {1, 2, 3}
    assert "test and in train" in found.reason


def test_measured_leaks_are_the_same_id_and_the_same_product():
    found = measured_leaks([SAME], CATALOG, [replace(RUG, listing_id="z"), LAMP])
    assert [(leak.listing_id, leak.strength) for leak in found] == [("a", 1.0), ("a", 0.9)]


def test_ranked_puts_what_harms_most_first():
    (leak,) = part_leaks([SAME], CATALOG, {4: "train", 9: "test"})
    (conflict,) = conflicts([SAME], CATALOG, 2, {})
    weak = replace(conflict, strength=0.1)
    assert ranked([leak, weak, conflict]) == (conflict, weak, leak)
