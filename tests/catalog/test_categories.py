"""Category strings as shops write them become paths, and nothing else becomes one."""

from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.categories import CategoryStyle
from shelfsure.catalog.listing import Listing
from shelfsure.catalog.notes import category_notes, levels_warning

PATHS = [
    ("A >> B", "A > B"),
    ("A > B > ", "A > B"),
    ("A › B » C → D", "A > B > C > D"),
    ('["Watches >> Wrist Watches >> Titan"]', "Watches > Wrist Watches > Titan"),
    ("['Watches >> Wrist', 'Sale >> Summer']", "Watches > Wrist"),
    (["Watches > Wrist", "Sale"], "Watches > Wrist"),
    (["Home", "Kitchen"], "Home > Kitchen"),
    ("Home &amp; Garden &gt; Mugs", "Home & Garden > Mugs"),
    ("Home &amp;amp; Garden", "Home & Garden"),
    ("  Home   Furnishing >Curtains ", "Home Furnishing > Curtains"),
    ("201.0", "201"),
    (201.0, "201"),
    (201, "201"),
    ("Version 2.0", "Version 2.0"),
    ("Electronics > Print, Copy, Scan & Fax", "Electronics > Print, Copy, Scan & Fax"),
    ("Home > Curtains, Blinds > Eyelet", "Home > Curtains, Blinds > Eyelet"),
    ("Home, Kitchen", "Home, Kitchen"),
    ("Tops/Bottoms", "Tops/Bottoms"),
    ("[sale]", "[sale]"),
    ("Default Category > Men > Tops", "Men > Tops"),
    ("Default Category", None),
    ("", None),
    (None, None),
    ([], None),
]


@pytest.mark.parametrize(("value", "path"), PATHS)
def test_path_by_example(value: object, path: str | None) -> None:
    assert CategoryStyle.of([value]).path(value) == path


def test_a_path_is_its_own_path() -> None:
    for _, path in PATHS:
        assert CategoryStyle.of([path]).path(path) == path


MAGENTO = [
    "Default Category/Men/Tops/Hoodies,Default Category/Promotions/New,Default Category",
    "Default Category/Women/Bottoms,Default Category/Promotions/New",
    "Default Category/Gear/Bags",
    "Default Category/Gear/T/Shirts",
]


def test_a_files_own_categories_tell_its_separators() -> None:
    style = CategoryStyle.of(MAGENTO)
    assert style.separator == "/"
    assert [style.path(text) for text in MAGENTO[:3]] == [
        "Men > Tops > Hoodies",
        "Women > Bottoms",
        "Gear > Bags",
    ]
    woo = ["Clothing > Hoodies, Sale", "Clothing", "Sale", "Music, Clothing", "Music"]
    style = CategoryStyle.of(woo)
    assert [style.path(text) for text in woo] == [
        "Clothing > Hoodies",
        "Clothing",
        "Sale",
        "Music",
        "Music",
    ]


@pytest.mark.parametrize("mark", ["/", "|", "::", "\\", " / "])
def test_a_mark_that_makes_a_tree_is_a_separator(mark: str) -> None:
    texts = [mark.join(path) for path in (("A", "B"), ("A", "C"), ("D", "E"), ("A",))]
    style = CategoryStyle.of(texts)
    assert [style.path(text) for text in texts] == ["A > B", "A > C", "D > E", "A"]


def test_a_mark_in_names_is_no_separator() -> None:
    for texts in (
        ["T-Shirts/Tops", "Jeans/Trousers", "Shoes/Boots"],  # no first level of several
        ["Tops/Bottoms", "Shoes", "Bags", "Tops"],  # in one only
        ["A > B/C", "A > B/D", "A > E"],  # an arrow is the separator
        ["Curtains, Blinds", "Curtains, Rods", "Mugs"],
    ):
        style = CategoryStyle.of(texts)
        assert style.separator is None
        assert [style.path(text) for text in texts] == texts


def test_a_given_separator_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,category\n1,a,T-Shirts-Tops\n2,b,Mugs\n")
    catalog = read_catalog(tmp_path / "a.csv", category_separator="-")
    assert [x.category for x in catalog.listings] == ["T > Shirts > Tops", "Mugs"]


def test_several_columns_make_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,title,Category 1,Category 2,Category 3\n1,a,Home,Kitchen/Bar,Mugs\n2,b,Home,,\n3,c,,,\n"
    )
    names = ("Category 1", "Category 2", "Category 3")
    catalog = read_catalog(tmp_path / "a.csv", columns={"category": names}, need_category=True)
    assert [x.category for x in catalog.listings] == ["Home > Kitchen/Bar > Mugs", "Home"]
    assert [bad.reason for bad in catalog.rejected] == ["missing category"]
    assert "category from Category 1 > Category 2 > Category 3" in catalog.columns


def test_notes_tell_of_spellings_of_one_name() -> None:
    paths = ["Home > Mugs", "home > mugs", "Home > T-Shirts", "Home > T Shirts", "Watches"]
    [note] = category_notes(paths, CategoryStyle())
    assert "'Home > Mugs' / 'home > mugs', 'Home > T Shirts' / 'Home > T-Shirts'" in note
    assert category_notes(["A > B", "A", "B", "A > B"], CategoryStyle()) == []
    assert category_notes([], CategoryStyle("/")) == ["categories are split at `/`"]


def test_levels_warning_says_when_no_category_has_so_many() -> None:
    assert levels_warning(["A > B", "A", None], 2) is None
    assert levels_warning([None], 2) is None
    warning = levels_warning(["Tops/Bottoms", "Shoes"], 2)
    assert warning is not None
    assert "--levels 2 has no effect" in warning
    assert "more than 1 level, such as 'Shoes'" in warning
    assert "--category-separator" in warning
    assert "more than 2 levels" in str(levels_warning(["A > B"], 3))


def test_from_listings_reads_categories_as_a_file_does() -> None:
    listings = [Listing("1", "t", category='["A >> B"]'), Listing("2", "t", category="A &gt; C")]
    catalog = Catalog.from_listings(listings)
    assert [x.category for x in catalog.listings] == ["A > B", "A > C"]
