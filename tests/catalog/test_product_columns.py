from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing

ROWS = (
    "listing_id,title,Parent SKU,Color,size,Price\n"
    "a,Tee,P1,Navy  Blue,M,12.50\n"
    ",,,,,\n"
    ",no id,P1,red,S,1\n"
    "b,Café,,,XL,12.00\n"
    "c,Mug,,,,\n"
)
EXPECTED = {
    "a": {"parent": "p1", "colour": "navy blue", "size": "m", "price": "12.5"},
    "b": {"size": "xl", "price": "12"},
    "c": {},
}


def said(catalog: Catalog) -> dict[str, dict[str, str]]:
    pairs = zip(catalog.rows, catalog.listings, strict=True)
    return {item.listing_id: dict(catalog.product_columns.get(row, {})) for row, item in pairs}


@pytest.mark.parametrize("encoding", [None, "windows-1252"])
def test_product_columns_are_each_listings_own(tmp_path: Path, encoding: str | None) -> None:
    """Though a row is blank, another is rejected, and the file isn't UTF-8."""
    path = tmp_path / "shop.csv"
    path.write_bytes(ROWS.encode(encoding or "utf-8"))
    catalog = read_catalog(path, encoding=encoding)
    assert said(catalog) == EXPECTED
    (row,) = [row for row, item in zip(catalog.rows, catalog.listings, strict=True)
              if item.listing_id == "a"]  # fmt: skip
    assert said(catalog.reject({row: "unusable photo"})) == {
        name: EXPECTED[name] for name in ("b", "c")
    }


def test_product_columns_are_read_below_lines_that_are_no_header(tmp_path: Path) -> None:
    path = tmp_path / "flat.csv"
    path.write_text(f"An export of ours\n\n{ROWS}", encoding="utf-8")
    assert said(read_catalog(path)) == EXPECTED


def test_catalogues_made_in_memory_have_no_product_columns() -> None:
    assert said(Catalog.from_listings([Listing("a", "Tee")])) == {"a": {}}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Größe;Farbe;Preis", {"size": "1", "colour": "2", "price": "3"}),
        ("Taille;Couleur;Prix", {"size": "1", "colour": "2", "price": "3"}),
        ("Talla;Color;Precio", {"size": "1", "colour": "2", "price": "3"}),
        ("サイズ;カラー;JANコード", {"size": "1", "colour": "2"}),
        ("尺码;颜色;价格", {"size": "1", "colour": "2", "price": "3"}),
        ("Option1 Value;Option2 Value;EAN", {"option 1": "1", "option 2": "2", "GTIN": "3"}),
        ("Attribute 1 value(s);Parent;MPN", {"option 1": "1", "parent": "2", "MPN": "3"}),
    ],
)
def test_product_columns_are_known_by_the_names_of_other_shops_and_languages(
    tmp_path: Path, header: str, expected: dict[str, str]
) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(f"id;title;{header}\na;Tee;1;2;3\n", encoding="utf-8")
    assert said(read_catalog(path)) == {"a": expected}


def test_a_parent_is_known_by_its_id(tmp_path: Path) -> None:
    path = tmp_path / "woo.csv"
    path.write_text("ID,Name,Parent\n2,Tee,\n3,Tee - Red,id:2\n", encoding="utf-8")
    assert said(read_catalog(path)) == {"2": {}, "3": {"parent": "2"}}
